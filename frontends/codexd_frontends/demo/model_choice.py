"""Which model the demo uses, and why: a key in the environment, a server on this machine, or the script. I/O.

Only loopback is asked. A server counts if it lists a model and knows one of the two APIs: an empty request to
it is then refused for what it lacks, not for its address.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence

import msgspec

# Where people run models by themselves: each with its own default port, and the provider's name for it.
LOCAL_SERVERS: Mapping[int, tuple[str, str]] = {
    11434: ("Ollama", "ollama"),
    1234: ("LM Studio", "lmstudio"),
    8080: ("llama.cpp", "llamacpp"),
    8000: ("vLLM", "vllm"),
}
# Where each API is; the first that a server knows is used.
APIS: Mapping[str, str] = {"responses": "/v1/responses", "chat": "/v1/chat/completions"}
# On loopback a server answers at once or is not there; the demo has ten seconds for all of it.
ASK_SECONDS_MAX = 0.5
ANSWER_BYTES_MAX = 1 << 20
ADDRESS_UNKNOWN = (404, 405, 501)
# A script has no window; this has the size of a usual model's window.
SCRIPTED_WINDOW = 272_000


class ModelChoice(msgspec.Struct, frozen=True):
    """A model, as config.toml names it, and the reason for it."""

    why: str
    model: str | None = None  # None: the default one of the provider
    provider: str | None = None  # None: the default one, openai
    base_url: str | None = None
    wire_api: str = "responses"
    window: int | None = None  # tokens, where no catalog knows it

    def config(self) -> str:
        """The config.toml that makes it the default. The demo's own command is harmless: no questions."""
        lines = ['approval_policy = "never"']
        if self.model is not None:
            lines.append(f"model = {_toml(self.model)}")
        if self.window is not None:
            lines.append(f"model_context_window = {self.window}")
        if self.provider is not None and self.base_url is not None:
            lines += [
                f"model_provider = {_toml(self.provider)}",
                "",
                f"[model_providers.{self.provider}]",
                f"name = {_toml(self.provider)}",
                f"base_url = {_toml(self.base_url)}",
                f"wire_api = {_toml(self.wire_api)}",
            ]
        return "\n".join(lines) + "\n"


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: tuple[_Model, ...] = ()


def choose_model(
    environ: Mapping[str, str], ports: Sequence[int] = tuple(LOCAL_SERVERS)
) -> ModelChoice | None:
    """The real model to use; None if there is none."""
    if environ.get("OPENAI_API_KEY"):
        return ModelChoice(why="$OPENAI_API_KEY is set")
    for port in ports:
        model = _local_model(port)
        api = _api(port) if model is not None else None
        if api is not None:
            what, provider = LOCAL_SERVERS.get(port, ("a model server", "local"))
            return ModelChoice(
                why=f"{what} answers on 127.0.0.1:{port}",
                model=model,
                provider=provider,
                base_url=f"http://127.0.0.1:{port}/v1",
                wire_api=api,
            )
    return None


def scripted(port: int) -> ModelChoice:
    """The scripted model that listens on a port."""
    return ModelChoice(
        why="no $OPENAI_API_KEY, and no model server on this machine: so a script answers, over HTTP",
        model="scripted",
        provider="scripted",
        base_url=f"http://127.0.0.1:{port}/v1",
        window=SCRIPTED_WINDOW,
    )


def _local_model(port: int) -> str | None:
    """The first model that a server lists; None if there is no such server."""
    status, body = _ask(port, "GET", "/v1/models")
    if status != 200:
        return None
    try:
        models = msgspec.json.decode(body, type=_Models).data
    except msgspec.DecodeError:
        return None
    return models[0].id if models else None


def _api(port: int) -> str | None:
    """The API that a server knows: an address that it does not know is refused as such."""
    for api, path in APIS.items():
        if _ask(port, "POST", path)[0] not in (0, *ADDRESS_UNKNOWN):
            return api
    return None


def _ask(port: int, method: str, path: str) -> tuple[int, bytes]:
    """Status and body; status 0 if no HTTP server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS_MAX)
    try:
        body = b"{}" if method == "POST" else None
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _toml(text: str) -> str:
    r"""A TOML string: every JSON string without escapes beyond \u is one."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
