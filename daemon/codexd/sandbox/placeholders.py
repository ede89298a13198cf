"""Folders that stand for protected names that do not exist, so that a mount can keep a command from making them. I/O.

They are seen outside as well, as empty folders, and are removed when no process has a mount on one of them. Until then
they must stay: removing a folder removes the mounts on it everywhere.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from codexd.keeper.empty_folders import LIST, SETTLED_SECONDS, remove_listed

log = logging.getLogger(__name__)

# Between looks while a command runs on, for hours perhaps: a look reads the mounts of all processes.
PAUSE_SECONDS_MAX: Final = 160.0
# A pipe there must not hold us up.
_TO_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW


class Placeholders:
    """Those that were made and are not removed yet."""

    def __init__(self, folder: Path) -> None:
        """`folder` belongs to nobody else, and is made when needed; what an earlier daemon left is read from there."""
        self._list = folder / LIST
        self._alone = threading.Lock()  # commands are confined by worker threads
        self._began_at = -SETTLED_SECONDS
        self._loop: trio.lowlevel.TrioToken | None = None
        self._there = trio.Event()

    def make(self, paths: Sequence[str]) -> frozenset[str]:
        """Make these folders for a command that begins now, which may use others as well. Any thread may call it.

        Returns those that nobody may make there, and so no command either.

        Raises: OSError: others can't be made, or not be remembered.
        """
        with self._alone:
            failed = self._make(paths)
            self._began_at = time.monotonic()
        if paths and self._loop is not None:
            self._loop.run_sync_soon(self._wake)
        return failed

    def _make(self, paths: Sequence[str]) -> frozenset[str]:
        failed = set[str]()
        if not paths:
            return frozenset()
        # Remembered first, and appended: another process of the same home may do so as well.
        self._list.parent.mkdir(0o700, parents=True, exist_ok=True)
        with open(os.open(self._list, _TO_APPEND, 0o600), "ab") as file:
            file.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
        for path in paths:
            try:
                os.mkdir(path, 0o755)
            except FileExistsError:
                pass
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise
                failed.add(path)
        return frozenset(failed)

    async def keep_swept(self) -> None:
        """Remove them whenever no command is confined. It does not return."""
        self._loop = trio.lowlevel.current_trio_token()
        pause = SETTLED_SECONDS
        while True:
            if not await trio.to_thread.run_sync(self.sweep):
                await trio.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
                continue
            await self._there.wait()
            pause = SETTLED_SECONDS
            self._there = trio.Event()

    def _wake(self) -> None:
        self._there.set()

    def sweep(self) -> bool:
        """Remove them if no command is confined there; whether they are gone. What fails is tried again later."""
        with self._alone, contextlib.suppress(OSError):
            settled = time.monotonic() - self._began_at >= SETTLED_SECONDS
            return settled and self._sweep()
        return False

    def _sweep(self) -> bool:
        try:
            return remove_listed(str(self._list))
        except OSError as error:
            log.warning("the empty folders of the sandbox cannot be removed: %s", error)
            return True
