"""Reading a log from its file: which records stand, what a torn tail lost, what is damaged.

Law: a log is cut only where an append never finished. The tail is **torn** when what follows the last whole
append is one broken line, part of a line, NULs, or whole lines of an append whose last line is missing, and no
line behind it says that the disk had it: such bytes were never acknowledged as being on disk, and a power cut
takes them in any order. They are kept beside the log before they are cut off. Anything else that does not read
back is **damage**: it is refused, and the file stays as it is.

One flipped bit in the very last record cannot be told from a torn tail by the file alone, but by what was noted
of the log (`witness.py`). A note also says where the reading may begin: from there on every line is checked.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Final
from zlib import crc32

import msgspec

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.format.lines import (
    at_us_of,
    check_lines,
    claim_of,
    crc_of,
    keys_in,
    marks_of,
)
from codexd_eventstore.format.offsets import LogOffset, OffsetIndex
from codexd_eventstore.format.preface import Start, start_of
from codexd_eventstore.line_start import CRC_BYTES
from codexd_eventstore.log.log import HEAD_BYTES, head_of
from codexd_eventstore.sidecar.rows import OpenHint
from codexd_eventstore.store import RECORD_BYTES_MAX, Damaged, Record

# Big enough that the calls cost little; small enough that its lines stay in a core's cache, and that other threads
# run in between.
PIECE_BYTES: Final = 256 * 1024

# Without NULs: the sectors that a power cut lost join the start of one line with the end of another.
_WHOLE_LINE: Final = re.compile(
    rb'^\{"seq":[0-9]+,"at":"[^\n\0]*,"crc":"[0-9a-f]{8}"\}$', re.MULTILINE
)
_CRC: Final = re.compile(rb',"crc":"([0-9a-f]{8})"\}')


class Tail(msgspec.Struct, frozen=True):
    """What follows the last whole append of a file."""

    size: int  # bytes
    seq: int  # of the first record that does not stand
    records: int  # whole ones in it, of an append that is not
    damage: str | None  # why it is not just torn


class Scan:
    """A file as far as it is whole, from its first record or from a place within it."""

    def __init__(self, stream: str, start: Start, head: int, mark: OpenHint | None = None) -> None:
        first = LogOffset(start.base, start.size, start.chain(stream))
        place = first if mark is None else mark.place
        self.stream = stream
        self.start = start
        self.head = head
        self.origin = start.origin
        self.base = start.base
        self.is_all = mark is None  # whether it was read from the first record on
        self.version, self.size, self.chain = place.seq, place.start, place.chain
        self.at_us = 0
        self.synced = start.base  # the last record that the disk is known to have
        self.first = first
        self.index = OffsetIndex(first)
        self.index.insert(place)
        self.spans: list[tuple[str, int, int]] = []  # the keys that were found: (key, first, last)
        self.durable: LogOffset | None = None  # where to look for a durable point
        self.is_met = False  # whether it was there
        self.tail: Tail | None = None

    @property
    def end(self) -> LogOffset:
        """Behind the last whole append."""
        return LogOffset(self.version, self.size, self.chain)

    @property
    def records(self) -> int:
        """How many records stand."""
        return self.version - self.base


def scan_log(
    fs: FileSystem,
    path: str,
    stream: str,
    end: int | None = None,
    *,
    mark: OpenHint | None = None,
    whole: bool = True,
    keys: bool = True,
) -> Scan:
    """Read and check a file as it is now, or its first `end` bytes. Raises: OSError.

    What is written behind its end meanwhile is left to the next reading: a line of which one look saw the
    half and the next one saw the whole would be taken for damage.

    Args:
        mark: what was noted of the log: whether its durable point was met is told too.
        whole: whether to read all of it, even if the mark says where to begin.
        keys: whether to look for the keys of appends; without them it is a fifth faster.
    """
    fd = fs.open_to_read(path)
    try:
        now = fs.fd_state(fd).size_bytes
        stop = now if end is None else min(end, now)

        def read(start: int, size: int) -> bytes:
            return fs.read(fd, start, max(0, min(size, stop - start)))

        start = start_of(read, stream)
        head = head_of(read(0, HEAD_BYTES).partition(b"\n")[0])
        scan = None
        if not whole and mark is not None and _leads_into(read, start, head, mark):
            scan = _scanned(Scan(stream, start, head, mark), mark, read, keys)
        # A tail that is not the one that was noted is judged by the whole log.
        if scan is None or not scan.is_met:
            scan = _scanned(Scan(stream, start, head), mark, read, keys)
    finally:
        fs.close(fd)
    return scan


def _scanned(
    scan: Scan, mark: OpenHint | None, read: Callable[[int, int], bytes], keys: bool
) -> Scan:
    scan.durable = None if mark is None else mark.durable
    scan.is_met = scan.durable == scan.end  # a log of which nothing was on disk yet
    _Reader(scan, read, keys).run()
    return scan


def _leads_into(read: Callable[[int, int], bytes], start: Start, head: int, mark: OpenHint) -> bool:
    """Whether the line in front of the mark's place is the one that was there."""
    place = mark.place
    if start.broken or mark.head != head or place.start <= start.size or place.seq <= start.base:
        return False
    seam = b'%08x"}\n' % place.chain
    return read(place.start - len(seam), len(seam)) == seam


class _Reader:
    """Goes through a file once, piece by piece."""

    def __init__(self, scan: Scan, read: Callable[[int, int], bytes], with_keys: bool) -> None:
        self.scan = scan
        self.with_keys = with_keys
        self.read = read
        self.seq = scan.version  # of the last whole line
        self.chain = scan.chain
        self.position = scan.size  # behind it
        self.last: bytes | None = None  # the last line that ends an append
        self.key: tuple[str, int] | None = None  # of the append that is being read

    def run(self) -> None:
        if self.scan.start.broken:
            size = len(self.read(0, RECORD_BYTES_MAX))
            self.scan.tail = Tail(size, 0, 0, "what stands in front of record 1 is broken")
            return
        size = PIECE_BYTES
        while True:
            piece = self.read(self.position, size)
            lines, _, chain = check_lines(piece, self.seq, self.chain)
            if lines:
                self._take(lines, chain)
                size = PIECE_BYTES
            # A line longer than a piece needs more of the file; anything else that stands still is broken.
            elif b"\n" in piece or len(piece) < size or size > RECORD_BYTES_MAX:
                break
            else:
                size *= 2
        if self.last is not None:
            self.scan.at_us = at_us_of(Record(self.scan.version, self.last))
            claim = claim_of(self.last)
            # What somebody else has written may claim anything.
            if claim is not None and claim[1] < claim[0]:
                self.scan.synced = claim[1]
        self._judge()

    def _take(self, lines: list[bytes], chain: int) -> None:
        """Count whole lines, which end in that checksum."""
        scan, seq = self.scan, self.seq
        starts = list(itertools.accumulate(map(len, lines), initial=self.position))
        scan.index.note(LogOffset(seq, self.position, self.chain), starts, lines)
        if self.with_keys:
            self._take_keys(lines)
        durable = -1 if scan.durable is None else scan.durable.start
        at = bisect_left(starts, durable, 1)
        # A durable point is always the end of an append.
        if at <= len(lines) and starts[at] == durable and not self._goes_on(lines, at - 1):
            place = LogOffset(seq + at, durable, crc_of(lines[at - 1][:-1]))
            scan.is_met = place == scan.durable
        whole = len(lines)
        while whole and self._goes_on(lines, whole - 1):
            whole -= 1
        if whole:
            scan.version, scan.size = seq + whole, starts[whole]
            self.last = lines[whole - 1][:-1]
            scan.chain = crc_of(self.last)
        self.seq, self.position, self.chain = seq + len(lines), starts[-1], chain

    def _goes_on(self, lines: list[bytes], at: int) -> bool:
        """Whether the append of a line has another one."""
        return marks_of(Record(self.seq + 1 + at, lines[at])).more

    def _take_keys(self, lines: list[bytes]) -> None:
        """Note where the appends that have keys begin and end."""
        self._close_key(lines, 0)
        for at, key in keys_in(lines, self.seq):
            self.key = (key, self.seq + 1 + at)
            self._close_key(lines, at)

    def _close_key(self, lines: list[bytes], at: int) -> None:
        """Note where the append of a key ends, unless there is none or it goes on behind these lines."""
        if self.key is None:
            return
        while at < len(lines) and self._goes_on(lines, at):
            at += 1
        if at < len(lines):
            self.scan.spans.append((*self.key, self.seq + 1 + at))
            self.key = None

    def _judge(self) -> None:
        """Say what follows the last whole append."""
        scan = self.scan
        scan.index.cut(scan.size)
        end, damage = self._broken_part()
        if scan.start.size and not scan.records:
            # It was whole on disk before it got its name, so no power cut took its records.
            damage = damage or "a rewritten log always has one"
        if end > scan.size or damage is not None:
            scan.tail = Tail(end - scan.size, scan.version + 1, self.seq - scan.version, damage)

    def _broken_part(self) -> tuple[int, str | None]:
        """Where the file ends, and why what is broken is not just torn."""
        start = self.position
        first = self.read(start, RECORD_BYTES_MAX + 2 * PIECE_BYTES)
        if not first:
            return start, None
        line, newline, after = first.partition(b"\n")
        damage = None
        if newline and _is_chained(line, self.chain):
            damage = (
                f"record {self.seq + 1} has the right checksum and does not begin like a record"
            )
        elif _lost_newline(line, self.chain):
            damage = f"record {self.seq + 1} is not followed by a newline"
        elif not newline and len(first) > RECORD_BYTES_MAX and line.strip(b"\0"):
            damage = f"record {self.seq + 1} has no end"
        position = start + len(first)
        piece = after
        while True:
            if damage is None and _say_it_was_on_disk(piece, self.seq + 1):
                damage = f"record {self.seq + 1} is broken and others follow it"
            kept = piece[piece.rfind(b"\n") + 1 :][-RECORD_BYTES_MAX:]
            more = self.read(position, PIECE_BYTES)
            if not more:
                return position, damage
            position += len(more)
            piece = kept + more if damage is None else b""


def _say_it_was_on_disk(piece: bytes, seq: int) -> bool:
    """Whether a line that looks whole was framed when the disk already had the record that is broken.

    A line with a number that is not behind it was not written there by us at all.
    """
    for line in _WHOLE_LINE.finditer(piece):
        claim = claim_of(line[0])
        if claim is None or claim[0] <= seq or claim[1] >= seq:
            return True
    return False


def _is_chained(line: bytes, chain: int) -> bool:
    """Whether a line ends in the checksum that it should: somebody wrote it so."""
    body = line[:-CRC_BYTES]
    return line[-CRC_BYTES:] == b',"crc":"%08x"}' % crc32(body, chain)


def _lost_newline(line: bytes, chain: int) -> bool:
    """Whether a whole record stands at the start and something else is where its newline was.

    A NUL there is a sector that a power cut lost, and what follows says whether it had been on disk.
    """
    for found in _CRC.finditer(line):
        if found[1] == b"%08x" % crc32(line[: found.start()], chain):
            return line[found.start() + CRC_BYTES :][:1] not in (b"", b"\0")
    return False


def damaged(stream: str, path: str, seq: int, why: str) -> Damaged:
    """The error for a log that was found damaged."""
    return Damaged(
        f"stream {stream}: record {seq} in {path} does not read back as it was written: {why}. The"
        f" whole log was left as it is; `codexctl fsck {stream}` shows what can be saved"
    )
