"""The two connections of the daemon to its index: a writer and a reader. Touches the disk.

Law: both are to one file. A caller that opens or drops them holds the locks of both.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from codexd.index.store.schema import (
    COMPLETE,
    Rotten,
    fact,
    is_broken,
    is_whole,
    note,
    open_index,
    open_to_read,
    remove_index,
)
from codexd.machine.paths import make_folders

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)

FILE_NAME: Final = "index.sqlite"
# An index up to this size is checked at once after an unclean end; a larger one by the child.
CHECKED_AT_ONCE_BYTES_MAX: Final = 4 * 1024 * 1024
# Up to this many logs are compared within the daemon, in a fraction of a second.
MANY_THREADS: Final = 2000

_COUNT_SOME: Final = "SELECT count(*) FROM (SELECT 1 FROM thread LIMIT ?)"
# Set while a process has the file open to write, so that an unclean end shows.
_OPEN: Final = "open"

File = tuple[int, int]


class IndexUnavailable(Exception):
    """There is no place to keep an index in, or it takes too long; says why."""


def load_sqlite() -> ModuleType:
    """The library, loaded when it is needed. Raises: IndexUnavailable, where a process has no descriptor left."""
    try:
        import sqlite3
    except (ImportError, OSError) as error:
        raise IndexUnavailable(f"SQLite cannot be loaded: {error}") from error
    return sqlite3


class Connections:
    """Both connections, to the present file."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE_NAME
        self.file: File | None = None  # that they are connected to
        self.is_complete = False  # every log was looked at since the file was made
        self.has_many = False  # threads, when the file was opened
        self.is_doubtful = False  # its end was unclean, and it was not checked yet
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    @property
    def writer(self) -> sqlite3.Connection:
        assert self._writer is not None
        return self._writer

    @property
    def reader(self) -> sqlite3.Connection:
        assert self._reader is not None
        return self._reader

    @property
    def is_current(self) -> bool:
        """Whether they are open, to the file that is there now."""
        return self.file is not None and _identity(self.path) == self.file

    def open(self) -> None:
        """Connect; a broken file is replaced by an empty one. Raises: sqlite3.Error, OSError."""
        import sqlite3

        self.drop()
        try:
            self._open()
        except (sqlite3.DatabaseError, Rotten) as error:
            if not isinstance(error, Rotten) and not is_broken(error):
                raise
            log.warning("the index is rebuilt: %s", error)
            self.throw_away()
            self._open()

    def _open(self) -> None:
        make_folders(self.path.parent)  # It may have been removed.
        self._writer = writer = open_index(self.path)
        self.is_doubtful = bool(fact(writer, _OPEN))
        if self.is_doubtful and self.path.stat().st_size <= CHECKED_AT_ONCE_BYTES_MAX:
            if not is_whole(writer):
                raise Rotten("it was found broken after an unclean end")
            self.is_doubtful = False
        self._reader = open_to_read(self.path)
        self.is_complete = bool(fact(writer, COMPLETE))
        # To count all of 100,000 reads megabytes, which nothing has in memory when the machine has just started.
        (some,) = writer.execute(_COUNT_SOME, (MANY_THREADS + 1,)).fetchone()
        self.has_many = some > MANY_THREADS
        note(writer, _OPEN, 1)
        self.file = _identity(self.path)

    def tidy(self) -> None:
        """Free the space that a large batch took in the write-ahead log."""
        self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def throw_away(self) -> None:
        """Remove the file, broken or not."""
        self.drop()
        with suppress(OSError):
            remove_index(self.path)
        self.is_complete = self.is_doubtful = False

    def drop(self) -> None:
        for connection in (self._writer, self._reader):
            if connection is not None:
                connection.close()
        self._writer = self._reader = self.file = None

    def close(self) -> None:
        """Disconnect permanently."""
        import sqlite3

        if self._writer is not None:
            with suppress(sqlite3.Error):
                note(self._writer, _OPEN, 0)
        self.drop()


def _identity(path: Path) -> File | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
