"""The tools that a server lists: read, bounded, named, and declared to models. Pure.

Law: everything in a list is foreign. Names are used as they are only to call the tool; what a model or a person is
shown is bounded, with invisible characters written out.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from codexd.core.values.foreign_json import decode_foreign
from codexd.core.values.tool_actions import McpHints
from codexd.protocol.display.visible import visible_line, visible_prose

# Tools of one server: more than a model can choose from, and each costs tokens in every request.
TOOLS_MAX: Final = 200
# Pages of one list. A server whose pages never end is read so far.
PAGES_MAX: Final = 100
# A schema of a real tool has some kilobytes. It is sent with every request.
SCHEMA_BYTES_MAX: Final = 32 * 1024
# The schemas and descriptions of one server together: a quarter of a small model's window.
CATALOG_BYTES_MAX: Final = 256 * 1024
DESCRIPTION_CHARACTERS_MAX: Final = 4096
NAME_CHARACTERS_MAX: Final = 256  # of a tool's own name; the specification says 128
TITLE_CHARACTERS_MAX: Final = 120
# What is written about tools that were left out.
LEFT_OUT_SHOWN_MAX: Final = 5


class ServerTool(msgspec.Struct, frozen=True):
    """A tool as its server lists it."""

    name: str  # as the server has it
    title: str | None
    description: str
    schema: msgspec.Raw  # of its arguments, a JSON object
    hints: McpHints
    listed: msgspec.Raw  # the server's own entry, for clients


class Catalog(msgspec.Struct, frozen=True):
    """The tools of one server."""

    tools: tuple[ServerTool, ...] = ()
    left_out: str | None = None  # which tools are not used and why, as a sentence


class _Annotations(msgspec.Struct, frozen=True, rename="camel"):
    title: str | None = None
    read_only_hint: bool | None = None
    destructive_hint: bool | None = None
    idempotent_hint: bool | None = None
    open_world_hint: bool | None = None


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    input_schema: msgspec.Raw
    title: str | None = None
    description: str | None = None
    annotations: _Annotations | None = None


class _Unusable(Exception):
    """A tool cannot be offered."""


def read_catalog(entries: list[bytes]) -> Catalog:
    """The catalog of a server's list, each entry as JSON. What cannot be used is left out."""
    tools: dict[str, ServerTool] = {}
    problems: list[str] = []
    room = CATALOG_BYTES_MAX
    for entry in entries:
        try:
            tool = _read(entry)
            size = len(bytes(tool.schema)) + len(tool.description)
            if tool.name in tools:
                raise _Unusable(f"{_shown(tool.name)}: listed twice")
            if len(tools) == TOOLS_MAX:
                raise _Unusable(f"{_shown(tool.name)}: only {TOOLS_MAX} tools of a server are used")
            if size > room:
                raise _Unusable(
                    f"{_shown(tool.name)}: the descriptions of all tools have more than {CATALOG_BYTES_MAX} bytes"
                )
        except _Unusable as problem:
            problems.append(str(problem))
            continue
        room -= size
        tools[tool.name] = tool
    return Catalog(tuple(tools.values()), _sentence(problems))


def declaration(tool: ServerTool, name: str) -> bytes:
    """A tool as an encoded member of a request's `tools`, under the name that models call it by."""
    return msgspec.json.encode(
        {
            "type": "function",
            "name": name,
            "description": tool.description,
            "strict": False,
            "parameters": tool.schema,
        }
    )


def _read(encoded: bytes) -> ServerTool:
    try:
        entry = msgspec.json.decode(encoded, type=_Entry)
        schema = decode_foreign(bytes(entry.input_schema))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Unusable(f"a tool cannot be read: {error}") from error
    if not entry.name or len(entry.name) > NAME_CHARACTERS_MAX:
        raise _Unusable(f"{_shown(entry.name)}: its name has {len(entry.name)} characters")
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise _Unusable(f"{_shown(entry.name)}: its arguments are not described as an object")
    encoded_schema = msgspec.json.encode(_as_parameters(schema))
    if len(encoded_schema) > SCHEMA_BYTES_MAX:
        raise _Unusable(
            f"{_shown(entry.name)}: its schema has {len(encoded_schema)} bytes, more than {SCHEMA_BYTES_MAX}"
        )
    notes = entry.annotations or _Annotations()
    title = entry.title or notes.title
    return ServerTool(
        name=entry.name,
        title=None if title is None else visible_line(title, TITLE_CHARACTERS_MAX),
        description=_prose(entry.description or title or ""),
        schema=msgspec.Raw(encoded_schema),
        hints=McpHints(
            notes.read_only_hint,
            notes.destructive_hint,
            notes.idempotent_hint,
            notes.open_world_hint,
        ),
        listed=msgspec.Raw(encoded),
    )


def _as_parameters(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as providers accept it: an object with properties."""
    shown = _texts_visible(schema)
    assert isinstance(shown, dict)
    return {"type": "object", "properties": {}, **shown}


def _texts_visible(value: object) -> object:
    """A schema whose descriptions and titles have no invisible characters. Names and values stay."""
    if isinstance(value, dict):
        return {
            key: _prose(inner)
            if key in ("description", "title") and isinstance(inner, str)
            else _texts_visible(inner)
            for key, inner in value.items()
        }
    return [_texts_visible(inner) for inner in value] if isinstance(value, list) else value


def _prose(text: str) -> str:
    shown = visible_prose(text[: DESCRIPTION_CHARACTERS_MAX + 1])
    return (
        shown
        if len(shown) <= DESCRIPTION_CHARACTERS_MAX
        else shown[: DESCRIPTION_CHARACTERS_MAX - 1] + "…"
    )


def _shown(name: str) -> str:
    return visible_line(name, 80) or '""'


def _sentence(problems: list[str]) -> str | None:
    if not problems:
        return None
    shown = "; ".join(problems[:LEFT_OUT_SHOWN_MAX])
    more = len(problems) - LEFT_OUT_SHOWN_MAX
    rest = f"; and {more} more" if more > 0 else ""
    return f"{len(problems)} of its tools are left out: {shown}{rest}."


# The names by which models call the tools: `mcp__SERVER__TOOL`, as Codex makes them. A name is made of letters, digits,
# `_` and `-`. Where two tools would have the same name, or a name would be too long, its end is a hash of the names that
# the server and the tool really have.
PREFIX: Final = "mcp"
DELIMITER: Final = "__"
# What the APIs of the large providers accept.
MODEL_NAME_CHARACTERS_MAX: Final = 64
_HASH_CHARACTERS: Final = 12
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_-]")

Identity = tuple[str, str]  # the server's name in config.toml, and the tool's name


def model_names(tools: Iterable[Identity]) -> dict[Identity, str]:
    """The name of each tool, in the order of the names; it does not depend on the order of the tools."""
    plain = {tool: _plain(tool) for tool in tools}
    count = Counter(plain.values())
    names = {
        tool: name
        if count[name] == 1 and len(name) <= MODEL_NAME_CHARACTERS_MAX
        else _with_hash(name, tool)
        for tool, name in plain.items()
    }
    return dict(sorted(names.items(), key=lambda named: named[1]))


def _plain(tool: Identity) -> str:
    return _FORBIDDEN.sub("_", DELIMITER.join((PREFIX, *tool)))


def _with_hash(name: str, tool: Identity) -> str:
    # No name of a server holds NUL, so two identities never give the same text.
    digest = hashlib.sha256("\0".join(tool).encode(errors="surrogatepass")).hexdigest()
    ending = f"_{digest[:_HASH_CHARACTERS]}"
    return name[: MODEL_NAME_CHARACTERS_MAX - len(ending)] + ending
