"""Settings of the command line, put into the requests by which a client begins threads. Pure.

A daemon serves many clients, so what `codexctl app-server -c model=…` says can hold for this client's threads alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.session import ATTACHING

# A line that is longer is no request for a thread, and is not kept until it ends.
LINE_BYTES_MAX: Final = 1 << 20


class Overriding:
    """Changes a stream of lines of JSON; all but the requests for threads pass as they are."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings
        self._rest = b""
        self._is_long = False  # the present line is passed on as it comes

    def __call__(self, data: bytes, *, final: bool) -> bytes:
        """The bytes to send, after these have come; `final`: no more will."""
        *lines, rest = (self._rest + data).split(b"\n")
        made = [self._changed(line) + b"\n" for line in lines]
        if final or self._is_long or len(rest) > LINE_BYTES_MAX:
            self._is_long = bool(rest) and not final
            made.append(rest)
            rest = b""
        self._rest = rest
        return b"".join(made)

    def _changed(self, line: bytes) -> bytes:
        if self._is_long:
            self._is_long = False
            return line
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
        config = {**self._settings, **given} if isinstance(given, dict) else given
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
