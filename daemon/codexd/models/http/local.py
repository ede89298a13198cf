"""Servers of models on this machine: which servers answer, what models they have, and which model to take; I/O.

They are asked all at once and for a moment only: on loopback a server answers or is not there. All of them list
their models under `/models`; what a list lacks, above all how long a conversation may be, two servers
say at an address of their own.

Sources: the documentation of Ollama (`/api/ps`), LM Studio (`/api/v0/models`), llama.cpp and vLLM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from codexd.models.builtin import HOW_TO_START
from codexd.models.client import ModelError
from codexd.models.provider import Provider

if TYPE_CHECKING:
    from codexd.models.http.client import HttpModelClient

# A server that loads a model may be slow to answer even this; who waits is a person.
ASK_SECONDS_MAX: Final = 3.0
# How many names of models an error repeats.
NAMES_SHOWN_MAX: Final = 10
# Open weights made for agents, which Codex prefers too.
PREFERRED: Final = "gpt-oss"


class LocalModel(msgspec.Struct, frozen=True):
    """A model that a server has."""

    id: str
    context_window: int | None = None  # tokens, as it is loaded; None: the server does not say
    loaded: bool = False  # it answers without being loaded first


class LocalServer(msgspec.Struct, frozen=True):
    """A server that answers."""

    provider: Provider
    models: tuple[LocalModel, ...]


class NoLocalModel(Exception):
    """There is no such server or no such model; says where it was looked for, and what to start."""


async def find_local(
    providers: Sequence[Provider], model: str | None, env: Mapping[str, str]
) -> tuple[LocalServer, LocalModel]:
    """The first server, in this order, that has the model; with none named, that has any.

    Raises:
        NoLocalModel
    """
    found: dict[str, LocalServer | str] = {}
    async with trio.open_nursery() as nursery:
        for provider in providers:
            nursery.start_soon(_ask, provider, env, found)
    servers = [
        server for provider in providers if isinstance(server := found[provider.key], LocalServer)
    ]
    for server in servers:
        chosen = choose(server.models, model)
        if chosen is not None:
            return server, chosen
    raise NoLocalModel(_nothing_found(providers, found, model))


def choose(models: Sequence[LocalModel], named: str | None) -> LocalModel | None:
    """The model of that name; with none named, the loaded model, else the best for agents, else the first."""
    if named is not None:
        return next((model for model in models if model.id == named), None)
    able = [model for model in models if "embed" not in model.id.lower()]
    loaded = [model for model in able if model.loaded]
    preferred = [model for model in able if PREFERRED in model.id.lower()]
    return next(iter([*loaded, *preferred, *able]), None)


async def _ask(
    provider: Provider, env: Mapping[str, str], found: dict[str, LocalServer | str]
) -> None:
    from codexd.models.http.client import HttpModelClient  # heavy, and few ask

    client = HttpModelClient(provider, env)
    found[provider.key] = f"no answer within {ASK_SECONDS_MAX:g} s"
    try:
        with trio.move_on_after(ASK_SECONDS_MAX):
            listed = read_models(await client.read(provider.url_of("models")))
            if listed is None:
                found[provider.key] = "it answers, but lists no models"
                return
            found[provider.key] = LocalServer(provider, listed)
            details = read_native(provider.key, await _native(client, provider))
            found[provider.key] = LocalServer(provider, with_details(listed, details))
    except ModelError as error:
        # Name and address are before it already.
        where = f"Cannot reach {provider.name} at {provider.base_url}: "
        found[provider.key] = error.message.removeprefix(where).rpartition("): ")[2]
    finally:
        with trio.CancelScope(shield=True):
            await client.aclose()


_NATIVE: Final[Mapping[str, str]] = {"ollama": "/api/ps", "lmstudio": "/api/v0/models"}


async def _native(client: HttpModelClient, provider: Provider) -> bytes:
    """The answer of the server at its own address; nothing where it has none, or refuses."""
    path = _NATIVE.get(provider.key)
    if path is None:
        return b""
    try:
        return await client.read(provider.base_url.removesuffix("/v1") + path)
    except ModelError:
        return b""


class _Meta(msgspec.Struct, frozen=True):
    n_ctx: int | None = None  # llama.cpp


class _Listed(msgspec.Struct, frozen=True):
    id: str
    meta: _Meta | None = None
    max_model_len: int | None = None  # vLLM
    max_context_length: int | None = None  # LM Studio, of its own list
    loaded_context_length: int | None = None
    state: str | None = None
    type: str | None = None


class _List(msgspec.Struct, frozen=True):
    data: tuple[_Listed, ...] | None = None


class _Running(msgspec.Struct, frozen=True):
    model: str = ""
    context_length: int | None = None


class _Processes(msgspec.Struct, frozen=True):
    models: tuple[_Running, ...] = ()


def read_models(body: bytes) -> tuple[LocalModel, ...] | None:
    """The models in the answer to GET /models; None where it is no such list."""
    try:
        listed = msgspec.json.decode(body, type=_List).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if listed is None:
        return None
    # What these two list is what they run.
    return tuple(
        LocalModel(
            model.id,
            model.max_model_len or (model.meta.n_ctx if model.meta else None),
            model.meta is not None,
        )
        for model in listed
    )


def read_native(server: str, body: bytes) -> tuple[LocalModel, ...]:
    """The models in a server's answer at its own address; nothing where it cannot be read."""
    try:
        if server == "ollama":
            running = msgspec.json.decode(body, type=_Processes).models
            return tuple(LocalModel(model.model, model.context_length, True) for model in running)
        if server == "lmstudio":
            listed = msgspec.json.decode(body, type=_List).data or ()
            return tuple(
                LocalModel(
                    model.id,
                    model.loaded_context_length or model.max_context_length,
                    model.state == "loaded" and model.type != "embeddings",
                )
                for model in listed
            )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return ()


def with_details(
    listed: Sequence[LocalModel], details: Sequence[LocalModel]
) -> tuple[LocalModel, ...]:
    """The listed models, each with what else was said of it."""
    by_id = {model.id: model for model in details}
    return tuple(by_id.get(model.id, model) for model in listed)


def _nothing_found(
    providers: Sequence[Provider], found: Mapping[str, LocalServer | str], model: str | None
) -> str:
    lines = []
    for provider in providers:
        answer = found[provider.key]
        if isinstance(answer, LocalServer):
            names = [listed.id for listed in answer.models]
            shown = ", ".join(names[:NAMES_SHOWN_MAX]) or "no model"
            more = (
                f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
            )
            answer = f"it has {shown}{more}"
        lines.append(f"{provider.name} at {provider.base_url}: {answer}")
    wanted = "no local model was found" if model is None else f"no local server has {model!r}"
    starts = [HOW_TO_START[p.key] for p in providers if p.key in HOW_TO_START]
    start = f" Start one: {'; or '.join(starts)}." if starts else ""
    return f"{wanted}. Looked for {'; '.join(lines)}.{start} Nothing was sent."
