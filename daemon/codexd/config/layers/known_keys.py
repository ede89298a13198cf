"""The keys of Codex's config.toml, as `codex_keys.json` has them, and what is wrong with a table by them. Pure.

The kind of a key is a word ("string", "boolean", "integer", "number", "path", "paths", "list", "any"), or the list of its
values, or a table of kinds; in a table `*` stands for any name. `tests/codex_keys.py` writes the file.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from codexd.config.layers.toml_file import KeyPath, Table

Kind = str | list[str] | dict[str, Any]

# Keys of former versions of Codex, which old files still have: they mean nothing, and give no warning.
FORMER: Final[Mapping[KeyPath, tuple[str, ...]]] = {
    (): (
        "disable_response_storage",
        "experimental_instructions_file",
        "experimental_use_exec_command_tool",
        "experimental_use_rmcp_client",
        "model_supports_reasoning_summaries",
        "preferred_auth_method",
        "zsh_path",
        "commit_attribution",
    ),
    ("tools",): ("view_image",),
    ("agents",): ("max_threads",),
    ("memories",): ("no_memories_if_mcp_or_web_search",),
    ("mcp_servers", "*"): ("experimental_environment",),
    ("windows",): ("sandbox_private_desktop",),
}
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "path": (str,),
    "paths": (list,),
    "list": (list,),
}
# The paths in the value of an exporter of telemetry, which is a word or a table.
_EXPORTER: Final[Kind] = {
    exporter: {"tls": {"*": "path"}} for exporter in ("otlp-http", "otlp-grpc")
}
_WORDS: Final = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "path": "the path of a file or folder, a string",
    "paths": "a list of paths",
    "list": "a list",
    "any": "any value",
}


class CodexKeys(msgspec.Struct, frozen=True):
    """The file `codex_keys.json`."""

    codex: str  # the version that was asked
    keys: dict[str, Any]  # the kind of each key
    unset: dict[str, Any]  # the settings in force with an empty config.toml
    empty: dict[
        str, dict[str, Any]
    ]  # those of each table where it is there and empty, by its dotted path


@functools.cache
def codex_keys() -> CodexKeys:
    """What Codex knows."""
    content = Path(__file__).with_name("codex_keys.json").read_bytes()
    keys = msgspec.json.decode(content, type=CodexKeys)
    for path, names in FORMER.items():
        table = functools.reduce(lambda inner, key: inner[key], path, keys.keys)
        table.update(dict.fromkeys(names, "any"))
    return keys


def kind_of(keys: Kind, path: KeyPath) -> Kind | None:
    """The kind of a key; None where it is unknown."""
    for key in path:
        if keys == "any":
            return "any"
        if not isinstance(keys, dict):
            return None
        keys = keys.get(key) or keys.get("*") or ""
        if not keys:
            return None
    return keys


def unknown_keys(
    table: Mapping[str, Any], keys: Kind, at: KeyPath = ()
) -> Iterator[tuple[KeyPath, tuple[str, ...]]]:
    """The path of each unknown key, with the names that are known there."""
    if not isinstance(keys, dict):
        return
    for key, value in table.items():
        kind = keys.get(key, keys.get("*"))
        if kind is None:
            yield (*at, key), tuple(sorted(keys))
        elif isinstance(value, dict):
            yield from unknown_keys(value, kind, (*at, key))


def nearest(key: str, known: Collection[str]) -> str | None:
    """The known name that a misspelt key may stand for."""
    import difflib  # only mistakes need it

    near = difflib.get_close_matches(key, sorted(known), n=1)
    return near[0] if near else None


def wrong_values(
    table: Mapping[str, Any], keys: Kind, at: KeyPath = ()
) -> Iterator[tuple[KeyPath, str]]:
    """The path of each value of a wrong kind, with what is expected there."""
    if not isinstance(keys, dict):
        return
    for key, value in table.items():
        kind = keys.get(key, keys.get("*"))
        if kind is None or kind == "any":
            continue
        if isinstance(kind, dict) and isinstance(value, dict):
            yield from wrong_values(value, kind, (*at, key))
        elif not _is(value, kind):
            yield (*at, key), expected(kind)


def expected(kind: Kind) -> str:
    """The values of a kind, in words."""
    if isinstance(kind, dict):
        return "a table"
    if isinstance(kind, list):
        *others, last = (f'"{value}"' for value in kind)
        return f"{', '.join(others)} or {last}" if others else last
    return _WORDS[kind]


def _is(value: Any, kind: Kind) -> bool:
    if isinstance(kind, list):
        # Some values have members: they are written as tables of one key.
        return value in kind if isinstance(value, str) else isinstance(value, dict)
    if isinstance(kind, dict):
        return isinstance(value, dict)
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def with_absolute_paths(table: Table, folder: str, keys: Kind) -> Table:
    """The table with its paths made absolute: they are relative to the folder of the file that has them."""
    if not isinstance(keys, dict):
        return table
    return {
        key: _absolute(value, folder, keys.get(key) or keys.get("*") or "any")
        for key, value in table.items()
    }


def _absolute(value: Any, folder: str, kind: Kind) -> Any:
    if isinstance(value, dict):
        return with_absolute_paths(value, folder, kind if isinstance(kind, dict) else _EXPORTER)
    if kind == "path" and isinstance(value, str):
        return os.path.normpath(os.path.join(folder, os.path.expanduser(value)))
    if kind == "paths" and isinstance(value, list):
        return [_absolute(path, folder, "path") for path in value]
    return value
