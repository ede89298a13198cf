"""The properties of this machine that the model receives. I/O: the name of the time zone."""

from __future__ import annotations

import os
import time
from pathlib import Path

from codexd.core.values.environment import Machine

_ZONES = "/zoneinfo/"


def place_here(shell: str, zone: str | None) -> Machine:
    """This machine; `shell` is the name of the program that runs commands, `zone` the variable TZ."""
    return Machine(shell, timezone_name(zone, Path("/etc")), "enabled")


def timezone_name(variable: str | None, etc: Path) -> str | None:
    """The zone's IANA name, or the abbreviation that the C library uses.

    Source: tzset(3), localtime(5).
    """
    if variable:
        name = variable.removeprefix(":")
        return name.rpartition(_ZONES)[2] if _ZONES in name else name
    try:
        target = os.readlink(etc / "localtime")
    except OSError:
        target = ""
    if _ZONES in target:
        return target.rpartition(_ZONES)[2]
    try:
        return (etc / "timezone").read_text(encoding="utf-8").strip() or time.tzname[0]
    except (OSError, UnicodeDecodeError):
        return time.tzname[0]
