"""Finds a record in a file by known offsets; there is no index of records on disk.

Law: an offset says where a record begins, and the chain before it. It is only a hint where to start reading:
everything that is read from there on is checked by that chain.

Known offsets are some records apart where this process has read or written the file, and far apart
elsewhere. Between them, a record is searched for by its number: a probe into the middle of the bytes finds
the next line, its `seq`, and the checksum before it.
"""

from __future__ import annotations

import itertools
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from codexd_eventstore.format.lines import crc_of
from codexd_eventstore.store import Record

# The distance of known offsets: a reader reads at most this many records or bytes to find a record.
# An offset takes 20 bytes of memory.
INDEX_STEP: Final = 32
INDEX_BYTES: Final = 64 * 1024
# How much a probe reads first, and at most at a time: most lines are short, and the longest has 16 MiB.
PROBE_BYTES: Final = 4096
PROBE_BYTES_MAX: Final = 1024 * 1024
# The end of a line and the beginning of the next; no JSON within a line can look like it.
_SEAM: Final = re.compile(rb',"crc":"([0-9a-f]{8})"\}\n\{"seq":([0-9]{1,18}+),"at":"')
# The longest seam: a `seq` has at most 20 digits.
_SEAM_BYTES: Final = 64

Read = Callable[[int, int], bytes]  # (start, size): fewer bytes only where the file ends


class LogOffset(msgspec.Struct, frozen=True, gc=False):
    """The offset after record `seq`: the next record begins at `start`, and its checksum continues `chain`."""

    seq: int
    start: int
    chain: int


class OffsetIndex:
    """The known offsets of a file, in order."""

    def __init__(self, first: LogOffset) -> None:
        self._seqs = array("Q", [first.seq])
        self._starts = array("Q", [first.start])
        self._chains = array("I", [first.chain])

    def __len__(self) -> int:
        return len(self._seqs)

    def extend(self, place: LogOffset, records: Sequence[Record], size: int) -> None:
        """Add offsets for the next records, which begin at `place` and have `size` bytes."""
        seq, start = place.seq, place.start
        if (
            seq + len(records) - self._seqs[-1] <= INDEX_STEP
            and start + size - self._starts[-1] <= INDEX_BYTES
        ):
            return
        sizes = [len(record.line) + 1 for record in records]
        starts = list(itertools.accumulate(sizes, initial=start))
        self.note(place, starts, [record.line for record in records])

    def note(self, place: LogOffset, starts: Sequence[int], lines: Sequence[bytes]) -> None:
        """The same for lines, with or without newlines, and the start of each."""
        seq = place.seq
        while True:
            # The first record that is a step after the last offset, in records or in bytes.
            far = bisect_left(starts, self._starts[-1] + INDEX_BYTES)
            at = max(0, min(self._seqs[-1] + INDEX_STEP - seq, far))
            if at >= len(lines):
                return
            self._seqs.append(seq + at)
            self._starts.append(starts[at])
            self._chains.append(crc_of(lines[at - 1].rstrip(b"\n")) if at else place.chain)

    def cut(self, size: int) -> None:
        """Forget the offsets after `size`."""
        while len(self._starts) > 1 and self._starts[-1] > size:
            for column in (self._seqs, self._starts, self._chains):
                column.pop()

    def insert(self, place: LogOffset) -> None:
        """Add an offset that was found by a search."""
        at = bisect_left(self._seqs, place.seq)
        if at < len(self._seqs) and self._seqs[at] == place.seq:
            return
        self._seqs.insert(at, place.seq)
        self._starts.insert(at, place.start)
        self._chains.insert(at, place.chain)

    def below(self, seq: int) -> LogOffset:
        """The last known offset before a record."""
        return self._at(bisect_left(self._seqs, seq) - 1)

    def above(self, seq: int) -> LogOffset | None:
        """The first known offset after a record; None if there is none before the end of the file."""
        at = bisect_left(self._seqs, seq)
        return self._at(at) if at < len(self._seqs) else None

    def before(self, start: int) -> LogOffset:
        """The last known offset that is not after `start`, or the first."""
        return self._at(max(0, bisect_right(self._starts, start) - 1))

    def _at(self, at: int) -> LogOffset:
        return LogOffset(self._seqs[at], self._starts[at], self._chains[at])


def narrow(read: Read, low: LogOffset, high: LogOffset, seq: int) -> tuple[LogOffset, LogOffset]:
    """Two offsets around a record, near each other if the file can be read. Raises: OSError.

    If a line between them is broken, they stay far apart, and reading from the lower offset finds the damage.
    """
    left, right = low.start, high.start
    halve = False
    while right - left > INDEX_BYTES and high.seq - low.seq > INDEX_STEP:
        width = right - left
        if halve:
            guess = left + width // 2
        else:  # records have similar lengths: look a little before the expected position
            guess = left + width * (seq - 1 - low.seq) // (high.seq - low.seq) - INDEX_BYTES // 2
        guess = min(max(guess, left + 1), right - 1)
        found = _next_place(read, guess, right, low.seq, high.seq)
        if found is None:
            right = guess
        elif found.seq < seq:
            low, left = found, found.start
        else:
            high, right = found, guess
        halve = right - left > width // 2
    return low, high


def _next_place(read: Read, position: int, end: int, above: int, below: int) -> LogOffset | None:
    """The first line that begins after `position` and before `end`, with a `seq` in between."""
    size = PROBE_BYTES
    held, start = b"", max(0, position - _SEAM_BYTES)
    while start < end:
        more = read(start + len(held), size)
        held += more
        for found in _SEAM.finditer(held):
            line = start + found.start(2) - len(b'{"seq":')
            seq = int(found[2]) - 1
            if position <= line < end and above < seq < below:
                return LogOffset(seq, line, int(found[1], 16))
        if not more:
            return None
        start += max(0, len(held) - _SEAM_BYTES)
        held = held[-_SEAM_BYTES:]
        size = min(2 * size, PROBE_BYTES_MAX)
    return None
