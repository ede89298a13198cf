"""Reads logs from their files without the store that owns them: `codexd_eventstore.log_reader` on disk. Blocks."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from codexd_eventstore.disk.files import Entry, FileSystem, reading
from codexd_eventstore.disk.layout import LOG_SUFFIX, Layout, is_name
from codexd_eventstore.event_log import RECORD_BYTES_MAX, Record, StreamEntry
from codexd_eventstore.format.lines import crc_of, marks_of, read_lines
from codexd_eventstore.format.preface import start_of
from codexd_eventstore.log.scan import scan_log
from codexd_eventstore.log_reader import LogCursor, LogStart, is_old

# The size of a page: under a thousand records, and some ten milliseconds.
PIECE_BYTES: Final = 512 * 1024

log = logging.getLogger(__name__)


class _WhereAllowed(FileSystem):
    def entries(self, path: str) -> list[Entry]:
        """The entries of a folder; none if it may not be read. Raises: OSError."""
        try:
            return super().entries(path)
        except PermissionError as error:
            log.error("the threads in %s are not looked at: %s", path, error)
            return []


class LogFiles:
    """The logs below one store's folder: see `LogReader` for what each method promises."""

    def __init__(self, data_dir: Path | str) -> None:
        self.fs: FileSystem = _WhereAllowed()
        self.root = os.path.abspath(data_dir)
        self._layout = Layout(self.fs, self.root)

    @property
    def folders(self) -> tuple[str, str]:
        """The folders of all logs: not archived, and archived."""
        return self._layout.threads, self._layout.archive

    def all_folders(self) -> list[str]:
        """Every folder that has logs, or folders of logs; reads a folder for each month."""
        years = self._layout.folders(self._layout.threads)
        months = [month for year in years for month in self._layout.folders(year)]
        days = [day for month in months for day in self._layout.folders(month)]
        return [*self.folders, *years, *months, *days]

    def find(self, stream: str) -> StreamEntry | None:
        empty: StreamEntry | None = None
        for path, archived in self._layout.either(stream):
            state = self.fs.state(path)
            if state is not None:
                found = StreamEntry(stream, archived, state.size_bytes, state.modified_us, path)
                if found.size_bytes:
                    return found
                empty = empty or found
        return empty if empty is not None and is_old(empty) else None

    def streams(self) -> Iterator[StreamEntry]:
        for archived, folders in ((False, self._layout.days()), (True, [self._layout.archive])):
            for folder in folders:
                for row in self.fs.entries(folder):
                    stream = stream_of(row.name)
                    if stream is None or not is_name(stream):
                        continue
                    path = f"{folder}/{row.name}"
                    found = StreamEntry(stream, archived, row.size_bytes, row.modified_us, path)
                    if row.is_folder or row.size_bytes or is_old(found):
                        yield found

    def newest(self, count: int) -> list[str]:
        found: list[str] = []
        for year in self._layout.folders(self._layout.threads):
            for month in self._layout.folders(year):
                for day in self._layout.folders(month):
                    names = [row.name for row in self.fs.entries(day)]
                    streams = (stream_of(name) for name in sorted(names, reverse=True))
                    found += [stream for stream in streams if stream is not None]
                    if len(found) >= count:
                        return found
        return found

    @contextmanager
    def opened(self, log: StreamEntry) -> Iterator[OpenedFile]:
        with reading(self.fs, log.path or self._layout.log(log.stream)) as fd:
            yield OpenedFile(self.fs, fd, log.stream)

    def damage(self, log: StreamEntry) -> str | None:
        tail = scan_log(self.fs, log.path or self._layout.log(log.stream), log.stream).tail
        return tail.damage if tail is not None else None

    def blob(self, sha256: str, size: int) -> bytes:
        try:
            return self.fs.read_range(f"{self._layout.blobs}/{sha256[:2]}/{sha256}", 0, size)
        except OSError:
            return b""


class OpenedFile:
    """A log's file that is being read: see `OpenedLog`."""

    def __init__(self, fs: FileSystem, fd: int, stream: str) -> None:
        self._fs, self._fd, self._stream = fs, fd, stream

    def start(self) -> LogStart:
        start = start_of(self._read, self._stream)
        parent = start.origin.stream if start.origin is not None else None
        cursor = LogCursor(start.base, start.size, start.chain(self._stream))
        return LogStart(cursor, parent, start.broken)

    def agrees(self, cursor: LogCursor) -> bool:
        end = b'%08x"}\n' % cursor.crc if cursor.crc >= 0 else b""
        at = cursor.offset - len(end)
        return bool(end) and at >= 0 and self._read(at, len(end)) == end

    def pages(self, cursor: LogCursor) -> Iterator[tuple[list[Record], LogCursor]]:
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
