"""Reads a damaged log: finds all valid lines at any position, as runs of consecutive lines.

Law: a run is a sequence of adjacent lines, each chained to the line before. Only the chain before a run's
first line is unknown. Everything here blocks, and holds a bounded piece at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from zlib import crc32

import msgspec

from codexd_eventstore.format.lines import crc_of, marks_of, read_lines
from codexd_eventstore.line_start import CRC_BYTES
from codexd_eventstore.log.scan import PIECE_BYTES
from codexd_eventstore.store import RECORD_BYTES_MAX, Record

# Positions where a line may begin and end within a broken line; no more are tried, so that junk costs little.
TRIES_MAX: Final = 256

BEGIN: Final = re.compile(
    rb'\{"seq":([1-9][0-9]{0,17}),"at":"[^"\n]{27}","type":"([A-Za-z0-9_./:-]{1,128}+)"'
)
_END: Final = re.compile(rb',"crc":"([^"\n]{8})"\}')
_HEX: Final = re.compile(rb"[0-9a-f]{8}")


class Run(msgspec.Struct, frozen=True):
    """Consecutive lines, and their position in the file."""

    first: int  # the `seq` of the first line
    last: int
    start: int  # the byte where the first line begins
    end: int  # the byte after the last line and its newline
    crc: int | None  # of the last line, if it has one
    closed: int  # the last record that ends an append; 0 for none


class Junk(msgspec.Struct, frozen=True):
    """Bytes that are no valid line."""

    start: int
    end: int
    is_line: bool  # whether they end in a newline, so that they may once have been a record
    seq: int | None = None  # the number in it, if it is readable
    crc: int | None = None  # the checksum in it, if it is readable
    begins: bytes = b""  # its first bytes


def parts_of(
    read: Callable[[int, int], bytes], start: int, chain: int, seq: int
) -> Iterator[Run | Junk]:
    """The runs and the junk of a file from `start` on, in order.

    Args:
        chain: the chain before the line at `start`.
        seq: the number of the record before it.
    """
    place, size = start, PIECE_BYTES
    run: Run | None = None
    while True:
        piece = read(place, size)
        records, used, crc = read_lines(piece, seq, chain)
        if records:
            begin = place if run is None else run.start
            first = records[0].seq if run is None else run.first
            place, size = place + used, PIECE_BYTES
            seq, chain = records[-1].seq, crc
            closed = 0 if run is None else run.closed
            closed = next((r.seq for r in reversed(records) if not marks_of(r).more), closed)
            run = Run(first, seq, begin, place, crc, closed)
            continue
        if b"\n" not in piece and len(piece) == size and size <= RECORD_BYTES_MAX:
            size *= 2  # a line longer than a piece needs more of the file
            continue
        if run is not None:
            yield run
            run = None
        if not piece:
            return
        line, newline, _ = piece.partition(b"\n")
        size = PIECE_BYTES
        for part in _broken(line, bool(newline), place):
            if isinstance(part, Run):
                seq, chain = part.last, part.crc or 0
                if part.end == place + len(line) + len(newline):
                    run = part  # the next line may continue it
                    continue
            yield part
        place += len(line) + len(newline)


def _broken(line: bytes, has_newline: bool, place: int) -> Iterator[Run | Junk]:
    """A line that does not follow the line before: a misplaced record, junk, or several of these."""
    position = 0
    ends = [found.end() for found in _END.finditer(line)][:TRIES_MAX]
    for begin in list(BEGIN.finditer(line))[:TRIES_MAX]:
        if begin.start() < position:
            continue
        end = _end_of(line, begin.start(), ends)
        if end is None:
            continue
        if begin.start() > position:
            yield _junk(line[position : begin.start()], False, place + position)
        stop = end + (end == len(line) and has_newline)
        record = Record(int(begin[1]), line[begin.start() : end])
        closed = 0 if marks_of(record).more else record.seq
        start, crc = place + begin.start(), said_crc(record.line)
        yield Run(record.seq, record.seq, start, place + stop, crc, closed)
        position = end
    if position < len(line) or not line:
        yield _junk(line[position:], has_newline, place + position)


def _end_of(line: bytes, start: int, ends: list[int]) -> int | None:
    """The end of the record that begins at `start`; JSON inside it may look like an end."""
    for end in ends:
        if end > start + CRC_BYTES:
            try:
                msgspec.json.decode(line[start:end], type=dict[str, msgspec.Raw])
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            return end
    return None


def _junk(content: bytes, has_newline: bool, place: int) -> Junk:
    begin = BEGIN.match(content)
    end = _END.search(content, max(0, len(content) - CRC_BYTES))
    return Junk(
        place,
        place + len(content) + has_newline,
        has_newline and bool(content.strip(b"\0")),
        None if begin is None else int(begin[1]),
        said_crc(content) if end is not None and end.end() == len(content) else None,
        content[:4096],
    )


def follows(line: bytes, chain: int) -> bool:
    """Whether a line is chained to the line before it."""
    return crc32(line[:-CRC_BYTES], chain) == said_crc(line)


def said_crc(line: bytes) -> int | None:
    """The checksum at the end of a line, if there is one."""
    return crc_of(line) if _HEX.fullmatch(line[-10:-2]) else None
