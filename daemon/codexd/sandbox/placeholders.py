"""Folders that stand for protected names that do not exist, so that a mount can keep a command from making them. I/O.

They are seen outside as well, as empty folders, and are removed when no command is confined any more. While one is, they
must stay: removing a folder removes the mounts on it everywhere.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import trio

# After a command was begun: it has its lock by then, even on a machine that hardly moves.
SETTLED_SECONDS: Final = 10.0
_LIST = "placeholders"
_LOCK = "lock"
_FLOCK: Final = "@hhqqi"  # struct flock of fcntl(2), on 64-bit systems


class Placeholders:
    """Those that were made and are not removed yet."""

    def __init__(self, folder: Path) -> None:
        """`folder` exists, and belongs to nobody else; what an earlier daemon left is read from there."""
        self._list, self._lock = folder / _LIST, folder / _LOCK
        self._lock.touch(0o600)
        self._made = dict.fromkeys(_paths_in(self._list))
        self._alone = threading.Lock()  # commands are confined by worker threads
        self._began_at = -SETTLED_SECONDS
        self._loop: trio.lowlevel.TrioToken | None = None
        self._there = trio.Event()

    @property
    def lock_file(self) -> str:
        """Every confined command has a lock for reading on it."""
        return str(self._lock)

    def make(self, paths: Iterable[str]) -> frozenset[str]:
        """Make these folders for a command that begins now. Any thread may call it.

        Returns those that can't be made, by a command neither.
        """
        with self._alone:
            failed = self._make(paths)
            self._began_at = time.monotonic()
        if self._made and self._loop is not None:
            self._loop.run_sync_soon(self._wake)
        return failed

    def _make(self, paths: Iterable[str]) -> frozenset[str]:
        failed = set[str]()
        made = dict[str, None]()
        for path in paths:
            try:
                os.mkdir(path, 0o755)
                made[path] = None
            except FileExistsError:
                pass
            except OSError:
                failed.add(path)
        if made.keys() - self._made.keys():
            self._made |= made
            self._write()
        return frozenset(failed)

    async def keep_swept(self) -> None:
        """Remove them whenever no command is confined. It does not return."""
        self._loop = trio.lowlevel.current_trio_token()
        while True:
            if self._made and not await trio.to_thread.run_sync(self.sweep):
                await trio.sleep(SETTLED_SECONDS)
                continue
            self._there = trio.Event()
            if not self._made:
                await self._there.wait()

    def _wake(self) -> None:
        self._there.set()

    def sweep(self) -> bool:
        """Remove them if no command is confined; whether they are gone."""
        with self._alone:
            settled = time.monotonic() - self._began_at >= SETTLED_SECONDS
            return settled and self._sweep()

    def _sweep(self) -> bool:
        if self._is_locked():
            return False
        for path in self._made:
            with contextlib.suppress(OSError):  # it is not empty, and so a person's
                os.rmdir(path)
        self._made.clear()
        self._write()
        return True

    def _is_locked(self) -> bool:
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        with self._lock.open("rb+") as file:
            found = fcntl.fcntl(file, fcntl.F_GETLK, wanted)
        (kind, *_) = struct.unpack(_FLOCK, found)
        return bool(kind != fcntl.F_UNLCK)

    def _write(self) -> None:
        new = self._list.with_suffix(".new")
        new.write_bytes(b"\0".join(os.fsencode(path) for path in self._made))
        new.replace(self._list)


def _paths_in(file: Path) -> list[str]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    return [os.fsdecode(path) for path in content.split(b"\0") if path.startswith(b"/")]
