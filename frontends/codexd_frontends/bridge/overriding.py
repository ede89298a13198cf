"""Settings of the command line, put into the requests by which a client begins threads. Pure.

A daemon serves many clients, so what `codexctl app-server -c model=…` says can hold for this client's threads alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.session import ATTACHING


def with_settings(line: bytes, settings: Mapping[str, object]) -> bytes:
    """A line of JSON with the settings, if it is a request for a thread; all others pass as they are."""
    if b'"thread/' not in line:
        return line
    try:
        message = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
    if not isinstance(message, dict) or message.get("method") not in ATTACHING:
        return line
    params = message.get("params") or {}
    if not isinstance(params, dict):
        return line
    given = params.get("config") or {}
    config = {**settings, **given} if isinstance(given, dict) else given
    return msgspec.json.encode({**message, "params": {**params, "config": config}})


def settings_of(
    assignments: list[str], enabled: list[str], disabled: list[str]
) -> dict[str, object]:
    """The settings of `-c key=value`, `--enable` and `--disable`, by their dotted keys. Raises: UsageError."""
    settings: dict[str, object] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"-c: expected KEY=VALUE, found {assignment[:80]!r}")
        settings[key.strip()] = toml_value(value.strip())
    settings |= {f"features.{name}": True for name in enabled}
    return settings | {f"features.{name}": False for name in disabled}


def toml_value(text: str) -> Any:
    """TOML, or else the text itself."""
    import tomllib

    try:
        table = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    # A date is a text here: no key has one.
    value = table["value"] if list(table) == ["value"] else text
    return value if isinstance(value, (bool, int, float, str, list, dict)) else text
