"""Adds and removes a table `[mcp_servers.NAME]` of config.toml, and leaves every other byte of it alone. Pure.

A table is appended at the end; a table is removed with the tables within it, from its header to the next table's.
Law: the new text is parsed before it is used: it must hold what the old one held, and the change, and nothing else.
What is written in another way (inline tables, dotted keys) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from codexd.config.file import parse_config
from codexd.config.layers.toml_file import InvalidConfig, dotted, headers_in, is_beside
from codexd.config.layers.toml_text import toml_table

TABLE: Final = "mcp_servers"
# As Codex accepts them: they are parts of the names of tools.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Value = str | Sequence[str] | Mapping[str, str]


class NotEdited(Exception):
    """The file cannot be changed safely, and was not."""


def with_server(content: bytes, file: str, name: str, keys: Mapping[str, Value]) -> bytes:
    """The file with this server, in place of one of that name. Raises: NotEdited, InvalidConfig."""
    if _NAME.fullmatch(name) is None:
        raise NotEdited(
            f"expected a name of letters, digits, `-` and `_`, at most 64 of them, found {name[:80]!r}; "
            "nothing was changed"
        )
    before = _tables(content, file)
    if name in _servers(before):
        content = without_server(content, file, name)
    text = content.decode("utf-8-sig" if content.startswith(_BOM) else "utf-8")
    end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else end if text.endswith("\n") else end * 2
    added = end.join(_written(name, keys)) + end
    new = (_BOM if content.startswith(_BOM) else b"") + f"{text}{gap}{added}".encode()
    parse_config(new, file)
    servers = {**_servers(before), name: dict(keys)}
    _check(_tables(new, file), {**before, TABLE: servers})
    return new


def without_server(content: bytes, file: str, name: str) -> bytes:
    """The file without this server. Raises: NotEdited, InvalidConfig."""
    before = _tables(content, file)
    if name not in _servers(before):
        raise NotEdited(f"No MCP server named '{name}' found.")
    bom = _BOM if content.startswith(_BOM) else b""
    text = content[len(bom) :].decode()
    lines = text.splitlines(keepends=True)
    kept: list[str] = []
    at = 0
    for first, last in _spans(text, (TABLE, name)):
        kept += lines[at:first]
        at = last
    kept += lines[at:]
    if at == len(lines):
        while kept and not kept[-1].strip():  # The gap in front of a last table goes with it.
            kept.pop()
    new = bom + "".join(kept).encode()
    servers = {other: table for other, table in _servers(before).items() if other != name}
    rest = {key: value for key, value in before.items() if key != TABLE}
    expected = {**rest, TABLE: servers} if servers else rest
    found = _tables(new, file)
    if found.get(TABLE) == {}:
        expected[TABLE] = {}
    _check(found, expected)
    return new


_BOM: Final = b"\xef\xbb\xbf"


def _spans(text: str, path: tuple[str, ...]) -> list[tuple[int, int]]:
    """The lines of the tables at a path and within it, as half-open ranges. What stands right above the next table's
    header belongs to that table.
    """
    lines = text.splitlines()
    headers = list(headers_in(text).items())
    spans: list[tuple[int, int]] = []
    for at, (line, segments) in enumerate(headers):
        if segments[: len(path)] != path:
            continue
        end = headers[at + 1][0] if at + 1 < len(headers) else len(lines)
        if at + 1 < len(headers) and headers[at + 1][1][: len(path)] != path:
            while end > line + 1 and is_beside(lines[end - 1]):
                end -= 1
            while end < headers[at + 1][0] and not lines[end].strip():
                end += 1  # The blank lines after the table go with it.
        spans.append((line, end))
    return spans


def _written(name: str, keys: Mapping[str, Value]) -> list[str]:
    """The lines of a table, with tables within it after its own keys."""
    lines = [f"[{dotted((TABLE, name))}]"]
    lines += [f"{key} = {_value(value)}" for key, value in keys.items() if not _is_table(value)]
    for key, value in keys.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{dotted((TABLE, name, key))}]"]
            lines += [
                f"{_written_as(dotted((inner,)))} = {_text(text)}" for inner, text in value.items()
            ]
    return lines


def _is_table(value: Value) -> bool:
    return isinstance(value, Mapping)


def _value(value: Value) -> str:
    return _text(value) if isinstance(value, str) else f"[{', '.join(map(_text, value))}]"


def _text(text: str) -> str:
    return _written_as(msgspec.json.encode(text).decode())


def _written_as(json: str) -> str:
    # A string of JSON is one of TOML, but for DEL.
    return json.replace("\x7f", "\\u007f")


def _tables(content: bytes, file: str) -> dict[str, object]:
    import tomllib

    try:
        return toml_table(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidConfig(file, None, None, f"not TOML: {error}") from error


def _servers(tables: Mapping[str, object]) -> dict[str, object]:
    servers = tables.get(TABLE, {})
    return servers if isinstance(servers, dict) else {}


def _check(found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    if msgspec.json.encode(found, order="sorted") != msgspec.json.encode(expected, order="sorted"):
        raise NotEdited(
            "expected the server as a table [mcp_servers.NAME] of its own, found it written in another way; "
            "nothing was changed: edit config.toml by hand"
        )
