"""Reads logs from their files without the store that owns them: `codexd_eventstore.log_reader` on disk. Blocks."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from codexd_eventstore.disk.files import Entry, FileSystem
from codexd_eventstore.disk.layout import LOG_SUFFIX, Layout, is_name
from codexd_eventstore.event_log import RECORD_BYTES_MAX, Record, StreamEntry
from codexd_eventstore.format.lines import crc_of, marks_of, read_lines
from codexd_eventstore.format.preface import start_of
from codexd_eventstore.log.scan import scan_log
from codexd_eventstore.log_reader import LogCursor, LogStart, is_old

# The size of a page: under a thousand records, and some ten milliseconds.
PIECE_BYTES: Final = 512 * 1024

log = logging.getLogger(__name__)


class LogFiles:
    """The logs below one store's folder: see `LogReader` for what each method promises."""

    def __init__(self, data_dir: Path | str) -> None:
        self.fs = FileSystem()
        self.root = os.path.abspath(data_dir)
        self._layout = Layout(self.fs, self.root)

    @property
    def folders(self) -> tuple[str, str]:
        """The folders of all logs: not archived, and archived."""
        return self._layout.threads, self._layout.archive

    def all_folders(self) -> list[str]:
        """Every folder that has logs, or folders of logs; reads a folder for each month."""
        years = self._folders(self._layout.threads)
        months = [month for year in years for month in self._folders(year)]
        days = [day for month in months for day in self._folders(month)]
        return [*self.folders, *years, *months, *days]

    def find(self, stream: str) -> StreamEntry | None:
        """The entry of a stream's log."""
        empty: StreamEntry | None = None
        for path, archived in (
            (self._layout.log(stream), False),
            (self._layout.archived_log(stream), True),
        ):
            state = self.fs.state(path)
            if state is not None:
                found = StreamEntry(stream, archived, state.size_bytes, state.modified_us, path)
                if found.size_bytes:
                    return found
                empty = empty or found
        return empty if empty is not None and is_old(empty) else None

    def streams(self) -> Iterator[StreamEntry]:
        """The entries of all logs, including files that are no valid logs."""
        for archived, folders in ((False, self._days()), (True, [self._layout.archive])):
            for folder in folders:
                for row in self._entries(folder):
                    stream = stream_of(row.name)
                    if stream is None or not is_name(stream):
                        continue
                    path = f"{folder}/{row.name}"
                    found = StreamEntry(stream, archived, row.size_bytes, row.modified_us, path)
                    if row.is_folder or row.size_bytes or is_old(found):
                        yield found

    def newest(self, count: int) -> list[str]:
        """At least `count` of the newest streams, if there are as many, newest first."""
        found: list[str] = []
        for year in self._folders(self._layout.threads):
            for month in self._folders(year):
                for day in self._folders(month):
                    names = [row.name for row in self._entries(day)]
                    streams = (stream_of(name) for name in sorted(names, reverse=True))
                    found += [stream for stream in streams if stream is not None]
                    if len(found) >= count:
                        return found
        return found

    def _folders(self, path: str) -> list[str]:
        """The folders in a folder, newest first: they are named by date."""
        names = sorted((row.name for row in self._entries(path) if row.is_folder), reverse=True)
        return [f"{path}/{name}" for name in names]

    def _days(self) -> Iterator[str]:
        yield f"{self._layout.threads}/other"
        for year in self._folders(self._layout.threads):
            if not year.endswith("/other"):
                for month in self._folders(year):
                    yield from self._folders(month)

    def _entries(self, path: str) -> list[Entry]:
        """The entries of a folder; none if it may not be read. Raises: OSError."""
        try:
            return self.fs.entries(path)
        except PermissionError as error:
            log.error("the threads in %s are not looked at: %s", path, error)
            return []

    @contextmanager
    def opened(self, log: StreamEntry) -> Iterator[OpenedFile]:
        """Read a log for as long as the context lasts."""
        fd = self.fs.open_to_read(log.path or self._layout.log(log.stream))
        try:
            yield OpenedFile(self.fs, fd, log.stream)
        finally:
            self.fs.close(fd)

    def damage(self, log: StreamEntry) -> str | None:
        """The damage of a log; None if only its tail is unfinished."""
        tail = scan_log(self.fs, log.path or self._layout.log(log.stream), log.stream).tail
        return tail.damage if tail is not None else None

    def blob(self, sha256: str, size: int) -> bytes:
        """The first bytes of a blob; none if it is gone."""
        try:
            return self.fs.read_range(f"{self._layout.blobs}/{sha256[:2]}/{sha256}", 0, size)
        except OSError:
            return b""


class OpenedFile:
    """A log's file that is being read: see `OpenedLog`."""

    def __init__(self, fs: FileSystem, fd: int, stream: str) -> None:
        self._fs, self._fd, self._stream = fs, fd, stream

    def start(self) -> LogStart:
        """The beginning of the file."""
        start = start_of(self._read, self._stream)
        parent = start.origin.stream if start.origin is not None else None
        cursor = LogCursor(start.base, start.size, start.chain(self._stream))
        return LogStart(cursor, parent, start.broken)

    def agrees(self, cursor: LogCursor) -> bool:
        """Whether the line before the cursor has the cursor's checksum."""
        end = b'%08x"}\n' % cursor.crc if cursor.crc >= 0 else b""
        at = cursor.offset - len(end)
        return bool(end) and at >= 0 and self._read(at, len(end)) == end

    def pages(self, cursor: LogCursor) -> Iterator[tuple[list[Record], LogCursor]]:
        """The whole records after a cursor, piece by piece."""
        rest, size = b"", PIECE_BYTES
        while True:
            piece = self._read(cursor.offset + len(rest), size)
            rest += piece
            records, used, _ = read_lines(rest, cursor.seq, cursor.crc)
            rest = rest[used:]
            at_end = len(piece) < size
            if at_end:
                used -= _drop_unfinished(records)
            if records:
                last = records[-1]
                cursor = LogCursor(last.seq, cursor.offset + used, crc_of(last.line))
                yield records, cursor
            # A line longer than a piece needs more of the file; otherwise a line is broken.
            if at_end or (not records and (b"\n" in rest or len(rest) > RECORD_BYTES_MAX)):
                return
            size = PIECE_BYTES if records else max(PIECE_BYTES, len(rest))

    def _read(self, start: int, size: int) -> bytes:
        return self._fs.read(self._fd, start, size)


def stream_of(path: str) -> str | None:
    """The stream of a log's path or file name; None for another file."""
    name = path.rpartition("/")[2]
    return name.removesuffix(LOG_SUFFIX) if name.endswith(LOG_SUFFIX) else None


def _drop_unfinished(records: list[Record]) -> int:
    """Remove the records of an incomplete append from the end; returns their size in bytes."""
    dropped = 0
    while records and marks_of(records[-1]).more:
        dropped += len(records.pop().line) + 1
    return dropped
