"""Settings of flags, `-c key=value`, and the paths of keys in requests. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from codexd.config.layers.layer import merged_tables
from codexd.config.layers.toml_file import KeyPath, Table


class BadFlag(ValueError):
    """A flag that cannot be used; says why."""


def flags_table(flags: Iterable[str]) -> Table:
    """The table of some `key=value`; a later one wins. Raises: BadFlag."""
    whole: Table = {}
    for flag in flags:
        key, equals, value = flag.partition("=")
        if not equals or not key.strip():
            raise BadFlag(f"-c: expected key=value, found {flag[:80]!r}")
        whole = merged_tables(whole, nested(split_flag_key(key.strip()), flag_value(value.strip())))
    return whole


def split_flag_key(key: str) -> KeyPath:
    """The path of a flag's key; parts that hold dots are quoted, as in TOML. Raises: BadFlag."""
    try:
        return key_path(key) if '"' in key else tuple(key.split("."))
    except ValueError as problem:
        raise BadFlag(f"-c: {problem}") from problem


def flag_value(text: str) -> Any:
    """The value of a flag: TOML, or else the text itself, as Codex reads it."""
    import tomllib

    try:
        table = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip("\"'")
    return table["value"] if list(table) == ["value"] else text


def nested(path: KeyPath, value: Any) -> Table:
    """A table that has only this value."""
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def key_path(text: str) -> KeyPath:
    """The parts of a `keyPath`, of which those with dots are quoted.

    Raises:
        ValueError: with the words of Codex.
    """
    if not text.strip():
        raise ValueError("keyPath must not be empty")
    parts: list[str] = []
    part, in_quotes, escaped = "", False, False
    for char in text:
        if escaped:
            part, escaped = part + char, False
        elif char == "\\" and in_quotes:
            escaped = True
        elif char == '"':
            if not in_quotes and part:
                raise ValueError("invalid quoted keyPath segment")
            in_quotes = not in_quotes
        elif char == "." and not in_quotes:
            parts.append(_whole(part))
            part = ""
        else:
            part += char
    if in_quotes or escaped:
        raise ValueError("unterminated quoted keyPath segment")
    return (*parts, _whole(part))


def _whole(part: str) -> str:
    if not part:
        raise ValueError("keyPath segments must not be empty")
    return part
