"""Reads a log's own records in order, piece by piece, and checks each. Everything here blocks.

Law: only one piece is held in memory, for a log of any length.
"""

from __future__ import annotations

from collections.abc import Iterator

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.forks import read_start
from codexd_eventstore.format.lines import crc_of, read_lines
from codexd_eventstore.format.preface import Start, start_of
from codexd_eventstore.log.scan import PIECE_BYTES, damaged
from codexd_eventstore.store import RECORD_BYTES_MAX, Record


class Walk:
    """A pass through a file, up to the record `last`, or to the last whole record."""

    def __init__(
        self,
        fs: FileSystem,
        path: str,
        stream: str,
        last: int | None = None,
        fd: int | None = None,  # of the file, if it is open already; it stays open
    ) -> None:
        self._fs = fs
        self._fd = fd
        self._path = path
        self.stream = stream
        self._last = last
        self.start = Start()  # known after the first piece

    def read_start(self) -> Start:
        """The beginning of the file; may be called before the records are read. Raises: OSError."""
        self.start = read_start(self._fs, self._path, self.stream)
        return self.start

    def pieces(self) -> Iterator[list[Record]]:
        """The records, at least one at a time. Raises: Damaged if `last` is not reached, OSError."""
        fs = self._fs
        fd = fs.open_to_read(self._path) if self._fd is None else self._fd
        try:
            self.start = start_of(lambda place, size: fs.read(fd, place, size), self.stream)
            yield from self._pieces(fd)
        finally:
            if self._fd is None:
                fs.close(fd)

    def records(self) -> Iterator[Record]:
        for records in self.pieces():
            yield from records

    def _pieces(self, fd: int) -> Iterator[list[Record]]:
        seq, chain = self.start.base, self.start.chain(self.stream)
        position, size = self.start.size, PIECE_BYTES
        while not self.start.broken and (self._last is None or seq < self._last):
            piece = self._fs.read(fd, position, size)
            records, used, chain = read_lines(piece, seq, chain)
            if not records:
                # A line longer than a piece needs more of the file.
                if len(piece) < size or size > RECORD_BYTES_MAX:
                    break
                size *= 2
                continue
            position, size, seq = position + used, PIECE_BYTES, records[-1].seq
            if self._last is not None and seq >= self._last:
                yield records[: len(records) - (seq - self._last)]
                return
            yield records
        if self._last is not None and seq < self._last:
            why = "it does not follow the line before it, or is not there"
            raise damaged(self.stream, self._path, seq + 1, why)


def crcs_at(
    fs: FileSystem, path: str, stream: str, seqs: frozenset[int]
) -> tuple[Start, dict[int, int]]:
    """The beginning of a file, and the checksums of the given records that it has."""
    found = {}
    walk = Walk(fs, path, stream)
    highest = max(seqs, default=0)
    for records in walk.pieces():
        first, last = records[0].seq, records[-1].seq
        for seq in seqs:
            if first <= seq <= last:
                found[seq] = crc_of(records[seq - first].line)
        if last >= highest:
            break
    return walk.start, found
