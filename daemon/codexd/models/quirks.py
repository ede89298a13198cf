"""How servers differ, as data: what each wants, refuses, and calls by another name.

All but `namespaces` and `web_search` is of the chat completions API.

The defaults are for an unknown server: a member that any server refuses is not sent, and messages come
in the strictest order that any chat template asks for. A provider that is known has a row; a user can say
the rest in `[model_providers.NAME.quirks]`, or name a row with `like`.

Sources: the API references of the providers, and what their servers answered to those who tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

ReasoningBack = Literal["none", "reasoning_content", "reasoning", "reasoning_details"]


class Quirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server accepts and how it answers; the members are keys of a quirks table."""

    system_role: Literal["system", "developer"] = "system"
    system_anywhere: bool = False  # not only as the first message; else later ones go as the user's
    merge_user_messages: bool = True  # two in a row become one: some templates refuse two
    user_after_tool: bool = True  # takes the user's message directly after a tool's answer
    null_content: bool = False  # a message of nothing but calls has content null, else ""
    images: bool = True
    tool_choice: str = "auto"  # "none": not sent
    parallel_tool_calls: bool = True  # takes the member
    strict: bool = False  # takes `strict` in a function's declaration
    stream_options: bool = True  # takes `stream_options.include_usage`
    cache_key: bool = False  # takes `prompt_cache_key`
    effort: Literal["none", "reasoning_effort", "reasoning"] = "reasoning_effort"
    response_format: Literal["none", "json_schema", "json_object"] = "json_schema"
    reasoning_back: ReasoningBack = "none"  # the member for its reasoning in a request
    reasoning_always: bool = False  # and that with every message that has calls, be it empty
    reasoning_with_calls_only: bool = False  # and not with a message that has none
    no_reasoning: str = ""  # the value of that member where the reasoning is not known
    call_id_characters_max: int = 512  # longer ids of calls are replaced; 512 is the maximum
    short_call_ids: bool = False  # takes ids of calls of nine letters and digits only
    think_tags: bool = True  # a text that begins with <think> is reasoning up to </think>
    namespaces: bool = (
        False  # its Responses API takes tools in namespaces; else they get flat names
    )
    web_search: bool = False  # its Responses API searches the web by itself


# A server that sends `reasoning_content` takes it back, and Moonshot refuses a message with calls that lacks it.
UNKNOWN: Final = Quirks(
    reasoning_back="reasoning_content", reasoning_with_calls_only=True, namespaces=True
)

_OPENAI = Quirks(
    system_role="developer",
    system_anywhere=True,
    merge_user_messages=False,
    null_content=True,
    strict=True,
    cache_key=True,
    call_id_characters_max=40,  # "Expected a string with maximum length 40"
    think_tags=False,
    namespaces=True,
    web_search=True,
)
# llama.cpp, vLLM and LM Studio render a chat template, and know reasoning by either name.
_TEMPLATED = Quirks(reasoning_back="reasoning_content")

QUIRKS: Final[Mapping[str, Quirks]] = {
    "openai": _OPENAI,
    # Its versions are older than OpenAI's: what came late is not sent.
    "azure": msgspec.structs.replace(
        _OPENAI, system_role="system", cache_key=False, web_search=False
    ),
    "ollama": Quirks(reasoning_back="reasoning"),
    "lmstudio": _TEMPLATED,
    "llamacpp": _TEMPLATED,
    "vllm": _TEMPLATED,
    "openrouter": Quirks(
        system_anywhere=True,
        merge_user_messages=False,
        null_content=True,
        effort="reasoning",
        reasoning_back="reasoning_details",
    ),
    # It refuses images, schemas, and a message with calls that lacks what was thought before them.
    "deepseek": Quirks(
        system_anywhere=True,
        merge_user_messages=False,
        images=False,
        parallel_tool_calls=False,
        response_format="json_object",
        reasoning_back="reasoning_content",
        reasoning_always=True,
        think_tags=False,
    ),
    # It refuses reasoning from models that it does not know to reason.
    "groq": Quirks(system_anywhere=True, merge_user_messages=False),
    # It refuses every member that it does not know, `stream_options` among them; usage comes unasked.
    "mistral": Quirks(
        user_after_tool=False,
        stream_options=False,
        effort="none",
        short_call_ids=True,
        think_tags=False,
    ),
    # It refuses a message with calls that lacks what was thought before them, or says that it is nothing.
    "moonshot": Quirks(
        reasoning_back="reasoning_content",
        reasoning_always=True,
        no_reasoning=" ",
        effort="none",
    ),
}

# Where those servers are, for a provider that has another name: ends of host names.
_HOSTS: Final[Mapping[str, str]] = {
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshot",
    "api.moonshot.cn": "moonshot",
}
_AZURE_HOSTS: Final = (
    "openai.azure.com",
    "cognitiveservices.azure.com",
    "services.ai.azure.com",
    "azure-api.net",
)


def is_azure(host: str) -> bool:
    """Whether a host is one of Azure's for OpenAI models."""
    return _is_within(host, _AZURE_HOSTS)


def kind_of(key: str, host: str) -> str | None:
    """Which row of the table is for a provider: by where it is, else by its name; None for neither."""
    if is_azure(host):
        return "azure"
    found = next((kind for end, kind in _HOSTS.items() if _is_within(host, (end,))), None)
    return found or (key if key in QUIRKS else None)


def read_quirks(kind: str | None, table: Mapping[str, object]) -> Quirks:
    """The quirks of a kind of server, with what a user says of them.

    Raises:
        ValueError: says what was expected and what was found.
    """
    like = table.get("like", kind)
    if like is not None and like not in QUIRKS:
        raise ValueError(f"like: expected one of {', '.join(QUIRKS)}, found {like!r}")
    row = QUIRKS[str(like)] if like is not None else UNKNOWN
    said = {name: value for name, value in table.items() if name != "like"}
    try:
        return msgspec.convert(msgspec.structs.asdict(row) | said, Quirks)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _is_within(host: str, ends: tuple[str, ...]) -> bool:
    return any(host == end or host.endswith(f".{end}") for end in ends)
