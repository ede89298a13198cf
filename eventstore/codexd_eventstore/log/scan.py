"""Reads a log from its file: finds the whole records, a torn tail, and damage.

Law: a log is cut only at an append that never finished. The tail is **torn** if the last whole append is followed
by one broken line, part of a line, NULs, or whole lines of an append whose last line is missing, and no later
line says that they were on disk: such bytes were never acknowledged as durable, and a power cut
removes them in any order. They are kept beside the log before they are cut off. Anything else that cannot be
read is **damage**: it is refused, and the file stays as it is.

One flipped bit in the last record looks like a torn tail in the file alone; the open hint distinguishes them
(`recovery_check.py`). The hint also says where the reading may begin: from there on every line is checked.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Final
from zlib import crc32

import msgspec

from codexd_eventstore.disk.files import FileSystem, reading
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

# Large enough that the calls cost little; small enough that its lines stay in a CPU cache, and that other threads
# run in between.
PIECE_BYTES: Final = 256 * 1024

# Without NULs: the sectors that a power cut lost join the start of one line with the end of another.
_WHOLE_LINE: Final = re.compile(
    rb'^\{"seq":[0-9]+,"at":"[^\n\0]*,"crc":"[0-9a-f]{8}"\}$', re.MULTILINE
)
_CRC: Final = re.compile(rb',"crc":"([0-9a-f]{8})"\}')


class Tail(msgspec.Struct, frozen=True):
    """The bytes after the last whole append of a file."""

    size: int  # bytes
    seq: int  # the first record that does not count
    records: int  # whole records of an incomplete append in it
    damage: str | None  # why it is damage and not only torn


class Scan:
    """The whole part of a file, from its first record or from an offset on."""

    def __init__(self, stream: str, start: Start, head: int, hint: OpenHint | None = None) -> None:
        first = LogOffset(start.base, start.size, start.chain(stream))
        offset = first if hint is None else hint.offset
        self.stream = stream
        self.start = start
        self.head = head
        self.origin = start.origin
        self.base = start.base
        self.is_all = hint is None  # whether it was read from the first record on
        self.version, self.size, self.chain = offset.seq, offset.start, offset.chain
        self.at_us = 0
        self.synced = start.base  # the last record that is known to be on disk
        self.first = first
        self.index = OffsetIndex(first)
        self.index.insert(offset)
        self.spans: list[tuple[str, int, int]] = []  # the keys that were found: (key, first, last)
        self.durable: LogOffset | None = None  # the durable point of the hint
        self.is_met = False  # whether the file has it
        self.tail: Tail | None = None

    @property
    def end(self) -> LogOffset:
        """The offset after the last whole append."""
        return LogOffset(self.version, self.size, self.chain)

    @property
    def records(self) -> int:
        return self.version - self.base


def scan_log(
    fs: FileSystem,
    path: str,
    stream: str,
    end: int | None = None,
    *,
    hint: OpenHint | None = None,
    whole: bool = True,
    keys: bool = True,
) -> Scan:
    """Read and check a file as it is now, or its first `end` bytes. Raises: OSError.

    Bytes that are written after its end meanwhile are left to the next reading: a line that was seen half
    at first and whole later would look like damage.

    Args:
        mark: the open hint; the scan also says whether its durable point was found.
        whole: whether to read the whole file, even if there is a hint.
        keys: whether to look for the keys of appends; without them it is a fifth faster.
    """
    with reading(fs, path) as fd:
        now = fs.fd_state(fd).size_bytes
        stop = now if end is None else min(end, now)

        def read(start: int, size: int) -> bytes:
            return fs.read(fd, start, max(0, min(size, stop - start)))

        start = start_of(read, stream)
        head = head_of(read(0, HEAD_BYTES).partition(b"\n")[0])
        scan = None
        if not whole and hint is not None and _leads_into(read, start, head, hint):
            scan = _scanned(Scan(stream, start, head, hint), hint, read, keys)
        # If the tail differs from the hint, the whole log is read.
        if scan is None or not scan.is_met:
            scan = _scanned(Scan(stream, start, head), hint, read, keys)
    return scan


def _scanned(
    scan: Scan, hint: OpenHint | None, read: Callable[[int, int], bytes], keys: bool
) -> Scan:
    scan.durable = None if hint is None else hint.durable
    scan.is_met = scan.durable == scan.end  # true at once if nothing was known to be on disk
    _Reader(scan, read, keys).run()
    return scan


def _leads_into(read: Callable[[int, int], bytes], start: Start, head: int, hint: OpenHint) -> bool:
    """Whether the line before the hint's offset is unchanged."""
    offset = hint.offset
    if start.broken or hint.head != head or offset.start <= start.size or offset.seq <= start.base:
        return False
    seam = b'%08x"}\n' % offset.chain
    return read(offset.start - len(seam), len(seam)) == seam


class _Reader:
    """Reads a file once, piece by piece."""

    def __init__(self, scan: Scan, read: Callable[[int, int], bytes], with_keys: bool) -> None:
        self.scan = scan
        self.with_keys = with_keys
        self.read = read
        self.seq = scan.version  # of the last whole line
        self.chain = scan.chain
        self.position = scan.size  # after it
        self.last: bytes | None = None  # the last line that ends an append
        self.key: tuple[str, int] | None = None  # of the append that is being read

    def run(self) -> None:
        if self.scan.start.broken:
            size = len(self.read(0, RECORD_BYTES_MAX))
            self.scan.tail = Tail(size, 0, 0, "the line before record 1 is broken")
            return
        size = PIECE_BYTES
        while True:
            piece = self.read(self.position, size)
            lines, _, chain = check_lines(piece, self.seq, self.chain)
            if lines:
                self._take(lines, chain)
                size = PIECE_BYTES
            # A line longer than a piece needs more of the file; otherwise a line is broken.
            elif b"\n" in piece or len(piece) < size or size > RECORD_BYTES_MAX:
                break
            else:
                size *= 2
        if self.last is not None:
            self.scan.at_us = at_us_of(Record(self.scan.version, self.last))
            claim = claim_of(self.last)
            # A line of another program may claim anything.
            if claim is not None and claim[1] < claim[0]:
                self.scan.synced = claim[1]
        self._judge()

    def _take(self, lines: list[bytes], chain: int) -> None:
        """Count whole lines, the last of which has the checksum `chain`."""
        scan, seq = self.scan, self.seq
        starts = list(itertools.accumulate(map(len, lines), initial=self.position))
        scan.index.note(LogOffset(seq, self.position, self.chain), starts, lines)
        if self.with_keys:
            self._take_keys(lines)
        durable = -1 if scan.durable is None else scan.durable.start
        at = bisect_left(starts, durable, 1)
        # A durable point is always the end of an append.
        if at <= len(lines) and starts[at] == durable and not self._goes_on(lines, at - 1):
            offset = LogOffset(seq + at, durable, crc_of(lines[at - 1][:-1]))
            scan.is_met = offset == scan.durable
        whole = len(lines)
        while whole and self._goes_on(lines, whole - 1):
            whole -= 1
        if whole:
            scan.version, scan.size = seq + whole, starts[whole]
            self.last = lines[whole - 1][:-1]
            scan.chain = crc_of(self.last)
        self.seq, self.position, self.chain = seq + len(lines), starts[-1], chain

    def _goes_on(self, lines: list[bytes], at: int) -> bool:
        """Whether the append of a line has another line."""
        return marks_of(Record(self.seq + 1 + at, lines[at])).more

    def _take_keys(self, lines: list[bytes]) -> None:
        """Note where the appends that have keys begin and end."""
        self._close_key(lines, 0)
        for at, key in keys_in(lines, self.seq):
            self.key = (key, self.seq + 1 + at)
            self._close_key(lines, at)

    def _close_key(self, lines: list[bytes], at: int) -> None:
        """Note where the append of a key ends, unless there is none or it continues after these lines."""
        if self.key is None:
            return
        while at < len(lines) and self._goes_on(lines, at):
            at += 1
        if at < len(lines):
            self.scan.spans.append((*self.key, self.seq + 1 + at))
            self.key = None

    def _judge(self) -> None:
        """Classify the bytes after the last whole append."""
        scan = self.scan
        scan.index.cut(scan.size)
        end, damage = self._broken_part()
        if scan.start.size and not scan.records:
            # The file was whole on disk before it got its name, so no power cut removed its records.
            damage = damage or "a rewritten log always has one"
        if end > scan.size or damage is not None:
            scan.tail = Tail(end - scan.size, scan.version + 1, self.seq - scan.version, damage)

    def _broken_part(self) -> tuple[int, str | None]:
        """The end of the file, and why the broken part is damage and not only torn."""
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
    """Whether a later line that looks whole was framed when the broken record was already on disk.

    A line whose number is not larger was not written there by a store.
    """
    for line in _WHOLE_LINE.finditer(piece):
        claim = claim_of(line[0])
        if claim is None or claim[0] <= seq or claim[1] >= seq:
            return True
    return False


def _is_chained(line: bytes, chain: int) -> bool:
    """Whether a line ends in the right checksum, so that it was written as it is."""
    body = line[:-CRC_BYTES]
    return line[-CRC_BYTES:] == b',"crc":"%08x"}' % crc32(body, chain)


def _lost_newline(line: bytes, chain: int) -> bool:
    """Whether a line is a whole record whose newline was replaced by another byte.

    A NUL there is a sector that a power cut lost; the later lines say whether it had been on disk.
    """
    for found in _CRC.finditer(line):
        if found[1] == b"%08x" % crc32(line[: found.start()], chain):
            return line[found.start() + CRC_BYTES :][:1] not in (b"", b"\0")
    return False


def damaged(stream: str, path: str, seq: int, why: str) -> Damaged:
    """The error for a damaged log."""
    return Damaged(
        f"stream {stream}: record {seq} in {path} does not read back as it was written: {why}. The"
        f" whole log was left as it is; `codexctl fsck {stream}` shows what can be saved"
    )
