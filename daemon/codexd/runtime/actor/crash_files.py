"""One file for each unfinished thread and for each running process, for the next daemon after a crash.

They are files and not events, because the next daemon must find them before it has read any log. They are
disposable: a thread without its file recovers when it is opened, or once the index has seen its log. So a
full disk, a folder that was removed, or a foreign file in it is logged and stops nothing.

Law: the mark of a thread follows from its state and from nothing else. It is there before an append that makes
work is on disk, and goes after an append that leaves none.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from codexd.core.state.due import has_work
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import InvalidId, ThreadId, parse_thread_id
from codexd.machine.owners import make_own_folder
from codexd_eventstore.disk.files import open_own

log = logging.getLogger(__name__)

# One byte for each daemon that has died. More than this are not counted.
_DEATH: Final = b"x"
_DEATHS_COUNTED_MAX: Final = 100
# What a start time may be long; Linux gives a number, macOS a date.
_START_TIME_BYTES_MAX: Final = 64


class UnfinishedFiles:
    """One file for each thread that has work to do. Its length is how often a daemon has begun to take the
    thread up, and died before that was done.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mark(self, thread_id: ThreadId) -> None:
        _write(self._folder / thread_id, "")

    def clear(self, thread_id: ThreadId) -> None:
        _remove(self._folder / thread_id)

    def begin(self, thread_id: ThreadId) -> None:
        """The thread is about to be resumed. Nothing is recorded for a thread without a mark."""
        try:
            with _opened(self._folder / thread_id, os.O_RDWR) as file:
                file.seek(0, 2)
                file.write(_DEATH)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("a crash now would not be counted for %s: %s", thread_id, error)

    def settle(self, thread_id: ThreadId) -> None:
        """It was resumed, or cannot be; the daemon lives."""
        try:
            with _opened(self._folder / thread_id, os.O_RDWR) as file:
                file.truncate(0)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("%s was resumed, and its mark says it was not: %s", thread_id, error)

    def deaths(self, thread_id: ThreadId) -> int:
        try:
            with _opened(self._folder / thread_id, os.O_RDONLY) as file:
                content = file.read(_DEATHS_COUNTED_MAX)
        except OSError:
            return 0
        return len(content) if set(content) <= set(_DEATH) else 0  # else the file is not ours

    def left(self) -> list[ThreadId]:
        """Those that are marked, the oldest thread first."""
        found = []
        for path in _files(self._folder):
            try:
                found.append(parse_thread_id(path.name))
            except InvalidId:  # Nothing here writes such names.
                log.warning("%s names no thread: it was left as it is", path)
        return found


class ProcessFiles:
    """One file for each running process: its name is the pid, its content the start time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, pid: int, start_time: str) -> None:
        _write(self._folder / str(pid), start_time)

    def remove(self, pid: int) -> None:
        _remove(self._folder / str(pid))

    def left(self) -> list[tuple[int, str]]:
        return list(self._left())

    def _left(self) -> Iterator[tuple[int, str]]:
        for path in _files(self._folder):
            if not (path.name.isascii() and path.name.isdecimal()):
                log.warning("%s names no process: it was left as it is", path)
                continue
            try:
                yield int(path.name), _read(path)
            except OSError as error:
                log.warning("whether process %s still runs is not known: %s", path.name, error)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("what the daemon before had under way is not known: %s", error)
        return []


def _opened(path: Path, flags: int) -> FileIO:
    return FileIO(open_own(path, flags), "rb" if flags == os.O_RDONLY else "r+b")


def _read(path: Path) -> str:
    with _opened(path, os.O_RDONLY) as file:
        return file.read(_START_TIME_BYTES_MAX).decode(errors="replace")


def _write(path: Path, content: str) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT
        try:
            fd = open_own(path, flags)
        except FileNotFoundError:
            make_own_folder(path.parent)
            fd = open_own(path, flags)
        try:
            if content:
                _fill(fd, content.encode())
        finally:
            os.close(fd)
    except OSError as error:
        log.warning("a crash would leave %s unnoticed: %s", path.name, error)


def _fill(fd: int, content: bytes) -> None:
    """Replace a file's content.

    It is truncated after the write, and only where it was longer: some file systems (ext4) flush a file that was
    truncated to nothing when it is closed, and its removal waits for that.
    """
    os.write(fd, content)
    if os.fstat(fd).st_size > len(content):
        os.ftruncate(fd, len(content))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s is not under way any more, and its file is left: %s", path.name, error)


class WorkMark:
    """The mark of one thread."""

    def __init__(self, unfinished: UnfinishedFiles, thread_id: ThreadId) -> None:
        self._unfinished, self._thread_id = unfinished, thread_id
        self._is_set: bool | None = None  # None: a daemon before this one may have left it

    def before(self, state: ThreadState) -> None:
        """An append that leads to this state is about to begin, or it was read from the log."""
        if has_work(state) and not self._is_set:
            self._unfinished.mark(self._thread_id)
            self._is_set = True

    def after(self, state: ThreadState) -> None:
        """The log leads to this state."""
        if not has_work(state) and self._is_set is not False:
            self._unfinished.clear(self._thread_id)
            self._is_set = False
