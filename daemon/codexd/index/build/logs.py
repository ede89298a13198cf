"""Reading logs from their files beside the store that owns them: without its lock, and while they grow. I/O.

Law: only whole records of whole appends are taken, each checked against the chain; what follows them is somebody's
unfinished line, or damage, and `judged` says which.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from codexd.core.events.events import InvalidEvent
from codexd.core.events.record import Recorded, decode_record
from codexd.index.store.schema import stream_of
from codexd.projections.summary import TELLING_TYPES, Summary
from codexd_eventstore.disk.files import Entry, FileSystem
from codexd_eventstore.disk.layout import Layout, is_name
from codexd_eventstore.format.lines import Origin, crc_of, marks_of, read_lines
from codexd_eventstore.format.preface import Start, start_of
from codexd_eventstore.log.scan import scan_log
from codexd_eventstore.store import RECORD_BYTES_MAX, Record

# One piece is one step of a thread: under a thousand records, and some ten milliseconds.
PIECE_BYTES: Final = 512 * 1024
# Between a log's name and its first record lies one write. Until then a file without a record is no log.
BORN_SECONDS_MAX: Final = 60
# A chain of forks longer than this goes round in a circle.
ANCESTORS_MAX: Final = 1000

log = logging.getLogger(__name__)

Read = Callable[[int, int], bytes]


class Found(msgspec.Struct, frozen=True):
    """The file of a log."""

    stream: str
    path: str
    archived: bool
    size: int
    mtime: int  # microseconds


class Unreadable(Exception):
    """A log cannot be folded; says why."""


class Logs:
    """The logs below one store's folder."""

    def __init__(self, data_dir: Path | str) -> None:
        self.fs = FileSystem()
        self.root = os.path.abspath(data_dir)
        self._places = Layout(self.fs, self.root)

    @property
    def folders(self) -> tuple[str, str]:
        """What holds all logs: those that are not archived, and those that are."""
        return self._places.threads, self._places.archive

    def all_folders(self) -> list[str]:
        """Every folder that has logs or such folders in it; costs as many looks as there are months."""
        years = self._folders(self._places.threads)
        months = [month for year in years for month in self._folders(year)]
        days = [day for month in months for day in self._folders(month)]
        return [*self.folders, *years, *months, *days]

    def path(self, stream: str) -> str:
        """Where a stream's file lies until it is archived."""
        return self._places.log(stream)

    def find(self, stream: str) -> Found | None:
        """Where a stream's file lies now. Raises: OSError."""
        empty: Found | None = None
        for path, archived in (
            (self._places.log(stream), False),
            (self._places.archived_log(stream), True),
        ):
            state = self.fs.state(path)
            if state is not None:
                found = Found(stream, path, archived, state.size_bytes, state.modified_us)
                if found.size:
                    return found
                empty = empty or found
        return empty if empty is not None and is_old(empty) else None

    def all(self) -> Iterator[Found]:
        """Every log there is, in no particular order, and whatever lies in the place of one. Raises: OSError."""
        for archived, folders in ((False, self._days()), (True, [self._places.archive])):
            for folder in folders:
                for row in self._entries(folder):
                    stream = stream_of(row.name)
                    if stream is None or not is_name(stream):
                        continue
                    path = f"{folder}/{row.name}"
                    found = Found(stream, path, archived, row.size_bytes, row.modified_us)
                    if row.is_folder or row.size_bytes or is_old(found):
                        yield found

    def newest(self, count: int) -> list[str]:
        """At least so many of the streams that were made last, if there are, newest first."""
        found: list[str] = []
        for year in self._folders(self._places.threads):
            for month in self._folders(year):
                for day in self._folders(month):
                    names = [row.name for row in self._entries(day)]
                    streams = (stream_of(name) for name in sorted(names, reverse=True))
                    found += [stream for stream in streams if stream is not None]
                    if len(found) >= count:
                        return found
        return found

    def _folders(self, path: str) -> list[str]:
        """Newest first: they are named by date, and what is not a date has no folders in it."""
        names = sorted((row.name for row in self._entries(path) if row.is_folder), reverse=True)
        return [f"{path}/{name}" for name in names]

    def _days(self) -> Iterator[str]:
        yield f"{self._places.threads}/other"
        for year in self._folders(self._places.threads):
            if not year.endswith("/other"):
                for month in self._folders(year):
                    yield from self._folders(month)

    def _entries(self, path: str) -> list[Entry]:
        """The rows of a folder. One that may not be read hides no other. Raises: OSError."""
        try:
            return self.fs.entries(path)
        except PermissionError as error:
            log.error("the threads in %s are not looked at: %s", path, error)
            return []

    @contextmanager
    def opened(self, path: str) -> Iterator[Read]:
        """A function that reads `size` bytes from a place. Raises: OSError."""
        fd = self.fs.open_to_read(path)
        try:
            yield lambda start, size: self.fs.read(fd, start, size)
        finally:
            self.fs.close(fd)

    def blob(self, sha256: str, size: int) -> str:
        """The first bytes of a blob as text; nothing where it is gone."""
        path = f"{self._places.blobs}/{sha256[:2]}/{sha256}"
        try:
            return self.fs.read_range(path, 0, size).decode(errors="replace")
        except OSError:
            return ""

    def judged(self, found: Found) -> str | None:
        """Why a log does not read to its end; None where its tail is only unfinished."""
        tail = scan_log(self.fs, found.path, found.stream).tail
        return tail.damage if tail is not None else None

    def inherited(self, origin: Origin, known: Callable[[str, int], Summary | None]) -> Summary:
        """What lists show of a stream up to where another was forked from it.

        `known(stream, seq)` is its summary there, where somebody has it.

        Raises:
            Unreadable: an ancestor is gone, or does not read back so far.
        """
        line: list[tuple[str, int]] = []  # youngest first
        last, summary = origin.seq, None
        while summary is None and last > 0:
            if len(line) > ANCESTORS_MAX:
                raise Unreadable(f"it descends from itself, through {origin.stream}")
            line.append((origin.stream, last))
            summary = known(origin.stream, last)
            if summary is not None:
                line.pop()
                break
            start = self._start(origin.stream)
            if start.origin is None:
                break
            last = min(last, start.origin.seq)
            origin = start.origin
        summary = summary or Summary()
        for stream, last in reversed(line):
            self._fold(stream, last, summary)
        return summary

    def _start(self, stream: str) -> Start:
        found = self.find(stream)
        if found is None:
            raise Unreadable(f"it was forked from {stream}, which is gone")
        with self.opened(found.path) as read:
            return start_of(read, stream)

    def _fold(self, stream: str, last: int, summary: Summary) -> None:
        found = self.find(stream)
        if found is None:
            raise Unreadable(f"it was forked from {stream}, which is gone")
        with self.opened(found.path) as read:
            start = start_of(read, stream)
            seq = start.base
            for records, _ in read_on(read, start.size, start.base, start.chain(stream)):
                for record in records:
                    if record.seq <= last and (record.type in TELLING_TYPES or record.seq == last):
                        summary.apply(decoded(record))
                seq = records[-1].seq
                if seq >= last:
                    return
        if seq < last:
            raise Unreadable(f"it was forked from {stream}, which does not read back to {last}")


def is_old(found: Found) -> bool:
    """Whether a file was made so long ago that its first record should be there."""
    return time.time() * 1e6 - found.mtime > BORN_SECONDS_MAX * 1e6


def decoded(record: Record) -> Recorded:
    """The record, read. Raises: Unreadable."""
    try:
        return decode_record(record.line)
    except InvalidEvent as error:
        raise Unreadable(str(error)) from error


def agrees(read: Read, place: int, crc: int) -> bool:
    """Whether a file has a line with that checksum in front of a place."""
    end = b'%08x"}\n' % crc if crc >= 0 else b""
    return bool(end) and place >= len(end) and read(place - len(end), len(end)) == end


def read_on(read: Read, place: int, seq: int, chain: int) -> Iterator[tuple[list[Record], int]]:
    """The whole records from a place on, piece by piece, each with the place behind it."""
    rest, size = b"", PIECE_BYTES
    while True:
        piece = read(place + len(rest), size)
        rest += piece
        records, used, _ = read_lines(rest, seq, chain)
        rest = rest[used:]
        at_end = len(piece) < size
        if at_end:
            used -= _drop_unfinished(records)
        if records:
            seq, chain = records[-1].seq, crc_of(records[-1].line)
            place += used
            yield records, place
        # A line longer than a piece needs more of the file; anything else that stands still is broken.
        if at_end or (not records and (b"\n" in rest or len(rest) > RECORD_BYTES_MAX)):
            return
        size = PIECE_BYTES if records else max(PIECE_BYTES, len(rest))


def _drop_unfinished(records: list[Record]) -> int:
    """Take off the records of an append whose last one is not there; how many bytes they are."""
    dropped = 0
    while records and marks_of(records[-1]).more:
        dropped += len(records.pop().line) + 1
    return dropped
