"""Edits of a table by key paths, with the meaning that `config/batchWrite` gives them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from codexd.config.layers.flags import key_path
from codexd.config.layers.layer import merged_tables
from codexd.config.layers.toml_file import KeyPath, Table

MergeStrategy = Literal["replace", "upsert"]
WriteError = Literal[
    "configLayerReadonly",
    "configVersionConflict",
    "configValidationError",
    "configPathNotFound",
    "configSchemaUnknownKey",
    "userLayerNotFound",
]


class NotWritten(Exception):
    """The file was not changed; says why, with Codex's name of the error."""

    def __init__(self, code: WriteError, message: str) -> None:
        super().__init__(message)
        self.code = code


class Edit(msgspec.Struct, frozen=True):
    """One change."""

    path: KeyPath
    value: Any  # None: the key is removed
    strategy: MergeStrategy = "replace"  # "upsert": a table is merged into the one that is there


def edit_of(key: str, value: Any, strategy: MergeStrategy) -> Edit:
    """The edit that a client asks for. Raises: NotWritten."""
    try:
        path = key_path(key)
    except ValueError as problem:
        raise NotWritten("configValidationError", str(problem)) from problem
    if value is not None and (path == ("profile",) or path[0] == "profiles"):
        raise NotWritten(
            "configValidationError",
            f"`{path[0]}` is a legacy config profile and can no longer be written; use `--profile <name>` with "
            "`<name>.config.toml` instead",
        )
    if _has_null(value):
        raise NotWritten("configValidationError", f"invalid value of `{key}`: TOML has no null")
    return Edit(path, value, strategy)


def _has_null(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(each is None or _has_null(each) for each in inner)


def edited(table: Table, edits: Iterable[Edit]) -> Table:
    """The table with these changes; it is not changed itself."""
    for edit in edits:
        table = _without(table, edit.path) if edit.value is None else _with(table, edit, edit.path)
    return table


def _with(table: Table, edit: Edit, path: KeyPath) -> Table:
    key, *rest = path
    under = table.get(key)
    if rest:  # What is no table gives way to one.
        inner = _with(under if isinstance(under, dict) else {}, edit, tuple(rest))
        return {**table, key: inner}
    if edit.strategy == "upsert" and isinstance(under, dict) and isinstance(edit.value, dict):
        return {**table, key: merged_tables(under, edit.value)}
    return {**table, key: edit.value}


def _without(table: Table, path: KeyPath) -> Table:
    key, *rest = path
    if key not in table:
        return table
    if not rest:
        return {name: value for name, value in table.items() if name != key}
    under = table[key]
    return {**table, key: _without(under, tuple(rest))} if isinstance(under, dict) else table
