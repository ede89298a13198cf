"""What this daemon would leave behind if it died now: unfinished threads and running processes, a file each.

Files rather than events, because the next daemon must find them before it has read any log. They are
disposable: a thread without its file recovers when it is opened. So a full disk, or a folder that somebody
removed, is said and hinders nothing.
"""

from __future__ import annotations

import logging
from pathlib import Path

import trio

from codexd.core.ids import ThreadId

log = logging.getLogger(__name__)


class UnfinishedFiles:
    """One empty file for each thread that has a turn under way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mark(self, thread_id: ThreadId) -> None:
        """A turn is about to start."""
        _write(self._folder / thread_id, "")

    def clear(self, thread_id: ThreadId) -> None:
        """Nothing is under way any more."""
        _remove(self._folder / thread_id)

    def left(self) -> list[ThreadId]:
        """Those that are marked, the oldest thread first."""
        return [ThreadId(path.name) for path in _files(self._folder)]


class ProcessFiles:
    """One file for each running process: its name is the pid, its content the start time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: set[int] = set()
        self._none = trio.Event()
        self._none.set()

    def add(self, pid: int, start_time: str) -> None:
        """It runs."""
        _write(self._folder / str(pid), start_time)
        if not self._running:
            self._none = trio.Event()
        self._running.add(pid)

    def remove(self, pid: int) -> None:
        """It is gone."""
        _remove(self._folder / str(pid))
        self._running.discard(pid)
        if not self._running:
            self._none.set()

    async def wait_none(self) -> None:
        """Wait until no process of this daemon runs."""
        await self._none.wait()

    def left(self) -> list[tuple[int, str]]:
        """Those that are there."""
        return [
            (int(path.name), path.read_text(errors="replace"))
            for path in _files(self._folder)
            if path.name.isdecimal()
        ]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("what the daemon before had under way is not known: %s", error)
        return []


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(content)
    except OSError as error:
        log.warning("a crash would leave %s unnoticed: %s", path.name, error)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s is not under way any more, and its file is left: %s", path.name, error)
