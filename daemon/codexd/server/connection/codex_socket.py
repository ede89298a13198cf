"""A symlink where Codex's own programs look for their app-server: plain `codex` then uses this daemon. I/O.

The place is `$CODEX_HOME/app-server-control/app-server-control.sock`, as in Codex 0.169 and 0.171.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio

from codexd.machine.owners import NotOurs, refuse_unless_ours
from codexd.machine.paths import make_folders
from codexd.server.connection.listener import (
    LOOK_SECONDS,
    Listener,
    is_served,
    leads_to,
    put_link,
)

log = logging.getLogger(__name__)

_PLACE: Final = Path("app-server-control", "app-server-control.sock")


def codex_socket(home: Path) -> Path:
    """Where the programs of the Codex whose files are in `home` look for an app-server."""
    return home / _PLACE


class PlaceTaken(Exception):
    """Another program's socket or file is there; says which."""


async def keep_linked(listener: Listener, asked: Callable[[], Path | None]) -> None:
    """Keep the symlink in its place, or away where no home is asked for, until cancelled.

    `asked` gives Codex's home as the configuration has it now. A server that answers there, and what is no socket, is
    left as it is, and reported. At the end the symlink goes, unless the socket stays for the next daemon.
    """
    linked: Path | None = None
    reported = ""
    try:
        while True:
            home, target = asked(), listener.path
            place = None if home is None else codex_socket(home)
            if linked is not None and linked != place:
                _unlink(linked, target)
                log.info("codex finds this daemon no more by %s", linked)
                linked = None
            try:
                if place is not None and not leads_to(place, target):
                    _link(place, target)
                    linked = None
                if place is not None and place != linked:
                    log.info("codex finds this daemon by %s", place)
                linked, reported = place, ""
            except (PlaceTaken, NotOurs, OSError) as problem:
                if str(problem) != reported:
                    log.error("codex does not find this daemon: %s", problem)
                linked, reported = None, str(problem)
            await trio.sleep(LOOK_SECONDS)
    finally:
        if linked is not None and not listener.stays:
            _unlink(linked, listener.path)


def _link(place: Path, target: Path) -> None:
    """Raises: PlaceTaken, NotOurs, OSError."""
    make_folders(place.parent)
    refuse_unless_ours(place.parent)
    if os.path.lexists(place):
        if not place.is_symlink() and not stat.S_ISSOCK(place.lstat().st_mode):
            raise PlaceTaken(f"expected nothing or a socket at {place}, found a file: not replaced")
        if is_served(place):
            raise PlaceTaken(f"another server answers on {place}: it was left in its place")
    put_link(place, target)


def _unlink(place: Path, target: Path) -> None:
    with suppress(OSError):
        if leads_to(place, target):
            place.unlink()
