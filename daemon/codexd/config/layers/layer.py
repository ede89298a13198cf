"""One layer of the configuration, and several merged: the names, the versions and the rules are those of Codex. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from codexd.config.layers.toml_file import KeyPath, Table, line_of, place, value_at


class SystemSource(msgspec.Struct, frozen=True, tag="system"):
    """The file of the machine's administrator."""

    file: str


class UserSource(msgspec.Struct, frozen=True, tag="user"):
    """The person's own file, or a profile of it."""

    file: str
    profile: str | None = None


class ProjectSource(msgspec.Struct, frozen=True, tag="project", rename="camel"):
    """A folder `.codex` of a project."""

    dot_codex_folder: str


class FlagsSource(msgspec.Struct, frozen=True, tag="sessionFlags"):
    """`-c key=value` of the daemon, or the `config` of a request."""


Source = SystemSource | UserSource | ProjectSource | FlagsSource


class Layer(msgspec.Struct, frozen=True):
    """The settings of one place."""

    source: Source
    table: Table
    file: str = ""  # the path for messages; empty: no file
    text: str = ""  # of the file, to find lines
    within: KeyPath = ()  # the table of the file that has them
    disabled: str | None = None  # why it does not count, in a sentence
    warnings: tuple[str, ...] = ()  # of what was left out

    def line(self, path: KeyPath) -> int | None:
        """The line that sets a key."""
        return line_of(self.text, self.within + path) if self.text else None

    def place(self, path: KeyPath) -> str:
        """The file and the line that set a key, or the flags."""
        return place(self.file, self.line(path)) if self.file else "-c"


# Older names of keys, which Codex renames before it merges.
_RENAMED: Final = (
    (("memories",), "no_memories_if_mcp_or_web_search", "disable_on_external_context"),
    (("agents",), "max_threads", "max_concurrent_threads_per_session"),
)
# Older values, for which Codex has others: `on-failure` asked later than any policy that is left.
_REPLACED: Final = {
    ("approval_policy", "on-failure"): "on-request",
    ("approvals_reviewer", "guardian_subagent"): "auto_review",
}


def version_of(table: Mapping[str, Any]) -> str:
    """The version of a layer: a hash of its values, whatever its comments and its order are, as Codex has it."""
    import hashlib

    encoded = msgspec.json.encode(table, order="sorted")
    return "sha256:" + hashlib.sha256(encoded).hexdigest()


def merged(layers: Iterable[Layer]) -> Table:
    """The settings of all layers, the lowest first: tables are merged key by key, all else is replaced."""
    whole: Table = {}
    for layer in layers:
        if layer.disabled is None:
            whole = merged_tables(whole, renamed(layer.table))
    return whole


def merged_tables(below: Table, above: Mapping[str, Any]) -> Table:
    """One table over another; neither is changed."""
    whole = dict(below)
    for key, value in above.items():
        under = whole.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            whole[key] = merged_tables(under, value)
        else:
            whole[key] = value
    return whole


def renamed(table: Table) -> Table:
    """The table with today's names of its keys, and of their values."""
    for path, old, new in _RENAMED:
        inner = value_at(table, path)
        if isinstance(inner, dict) and old in inner:
            rest = {key: value for key, value in inner.items() if key != old}
            table = table | {path[0]: {new: inner[old]} | rest}
    for (key, old), new in _REPLACED.items():
        if table.get(key) == old:
            table = table | {key: new}
    return table


def leaves(value: Any, at: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of all values that are no tables; the elements of a list are counted."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*at, str(index)))
    else:
        yield at


def setter_of(layers: Sequence[Layer], path: KeyPath) -> Layer | None:
    """The layer that decides the value at a path: the highest that sets it, or the nearest table around it."""
    for end in range(len(path), 0, -1):
        for layer in reversed(layers):
            if layer.disabled is None and _has(renamed(layer.table), path[:end]):
                return layer
    return None


def origins(layers: Sequence[Layer]) -> dict[KeyPath, Layer]:
    """The layer that decides each value."""
    found: dict[KeyPath, Layer] = {}
    for layer in layers:
        if layer.disabled is None:
            found |= dict.fromkeys(leaves(renamed(layer.table)), layer)
    whole = set(leaves(merged(layers)))
    return {path: layer for path, layer in found.items() if path in whole}


def _has(table: Mapping[str, Any], path: KeyPath) -> bool:
    return value_at(table, path) is not msgspec.UNSET
