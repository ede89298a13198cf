"""Reading records of open logs: from memory where they are new, else by one read of the file, checked again.

A fork's inherited records are read from the streams of its lineage; nothing was copied.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec
import trio

from codexd_eventstore.disk.files import FileSystem, store_failed
from codexd_eventstore.format.lines import (
    at_us_of,
    chain_start,
    check_lines,
    crc_of,
    marks_of,
    records_of,
)
from codexd_eventstore.format.offsets import INDEX_STEP, LogOffset, narrow
from codexd_eventstore.log.log import Log
from codexd_eventstore.log.open_logs import OpenLogs
from codexd_eventstore.log.scan import damaged
from codexd_eventstore.store import (
    PAGE_RECORDS_MAX,
    RECORD_BYTES_MAX,
    Damaged,
    NotFound,
    Record,
    Refused,
    StoreFailed,
)

# Up to this is read and checked where we stand: a page of 50 records. Going to a thread and back costs as much.
INLINE_BYTES_MAX: Final = 128 * 1024
# The same of what the system has in memory: a page of 1,024. Checking keeps the interpreter busy for some 0.7 ms
# in a thread as well; what a thread is for is waiting for the disk.
AT_HAND_BYTES_MAX: Final = 1024 * 1024
# What is read from a file at a time: bounds what a follower that catches up holds.
PIECE_BYTES_MAX: Final = 256 * 1024
# A follower has enough with so much: most of a piece, of which the first records may not be wanted, and not two.
ENOUGH_BYTES: Final = 128 * 1024


async def read_range(
    open_logs: OpenLogs,
    fs: FileSystem,
    log: Log,
    first: int,
    last: int,
    bytes_max: int = sys.maxsize,
) -> list[Record]:
    """The records from `first` to `last`, all of which there are; no more of them once they have `bytes_max`."""
    return await _in_lineage(
        open_logs, log, lambda log: _all(open_logs, fs, log, first, last, bytes_max)
    )


async def _in_lineage(
    open_logs: OpenLogs, log: Log, call: Callable[[Log], Awaitable[list[Record]]]
) -> list[Record]:
    """Read through a log's ancestors, again where one of them went away meanwhile."""
    while True:
        lineage = log.lineage
        try:
            return await call(log)
        except NotFound:
            # Where an ancestor is gone, the log was given copies of what it shared.
            current = await open_logs.open(log.stream)
            if current is log and log.lineage is lineage:
                raise
            log = current


async def _all(
    open_logs: OpenLogs, fs: FileSystem, log: Log, first: int, last: int, bytes_max: int
) -> list[Record]:
    if first > log.base:
        return await _own(open_logs, fs, log, first, last, bytes_max)
    records: list[Record] = []
    for stream, shared in (*log.lineage, (log.stream, last)):
        end = min(shared, last)
        if first > end:
            continue
        holder = log if stream == log.stream else await open_logs.open(stream)
        # Records in front of its own belong to an ancestor, which came before it here.
        found = await _own(open_logs, fs, holder, first, end, bytes_max)
        records += found
        if end == last or found[-1].seq < end:
            break
        first, bytes_max = end + 1, bytes_max - sum(len(record.line) for record in found)
        if bytes_max <= 0:
            break
    return records


async def read_piece(open_logs: OpenLogs, fs: FileSystem, log: Log, after: int) -> list[Record]:
    """Some records behind `after`, at least one: all that memory has, or a bounded piece of the file."""
    in_memory = log.ring.range(after + 1, log.version)
    if in_memory:
        return in_memory
    return await _in_lineage(open_logs, log, lambda log: _piece(open_logs, fs, log, after))


async def _piece(open_logs: OpenLogs, fs: FileSystem, log: Log, after: int) -> list[Record]:
    first = after + 1
    last = min(log.version, after + PAGE_RECORDS_MAX)
    holder, end = log, last
    if first <= log.base:
        for stream, end in log.lineage:
            if first <= end:
                holder = await open_logs.open(stream)
                break
    return await _own(open_logs, fs, holder, first, min(end, last), ENOUGH_BYTES)


async def fork_point(
    open_logs: OpenLogs, fs: FileSystem, parent: Log, at_seq: int
) -> tuple[int, int]:
    """The chain and the time at the last record that a fork shares. Raises: Refused."""
    if not 0 <= at_seq <= parent.version:
        raise Refused(
            f"stream {parent.stream} has {parent.version} records: it cannot be forked at {at_seq}"
        )
    if at_seq == 0:
        return chain_start(parent.stream), 0
    record = (await read_range(open_logs, fs, parent, at_seq, at_seq))[0]
    if marks_of(record).more:
        raise Refused(f"stream {parent.stream}: {at_seq} is within an append: nothing was forked")
    return crc_of(record.line), at_us_of(record)


async def _own(
    open_logs: OpenLogs,
    fs: FileSystem,
    log: Log,
    first: int,
    last: int,
    bytes_max: int,
) -> list[Record]:
    """Records that are in the log's own file, also if that is replaced while it is read."""
    while True:
        try:
            return await _in_file(fs, log, first, last, bytes_max)
        except (Damaged, StoreFailed):
            current = await open_logs.open(log.stream)
            if current is log:
                raise
            log = current


async def _in_file(fs: FileSystem, log: Log, first: int, last: int, bytes_max: int) -> list[Record]:
    if first > last:
        return []
    in_memory = log.ring.range(first, last)
    if in_memory is not None:
        return in_memory
    if last > log.version:
        raise damaged(log.stream, log.path, log.version + 1, "a fork needs it and it is not there")
    low, high = log.around(first, last)
    wanted = _Wanted(first, last, bytes_max)
    if _is_at_hand(fs, log, low, high, first):
        if high.start - low.start > INLINE_BYTES_MAX:
            await (
                trio.lowlevel.checkpoint()
            )  # whoever reads one page after the other lets others in
        return await _by_path(log, lambda path: _read_between(fs, path, log, low, high, wanted))

    found: tuple[LogOffset, LogOffset] = (low, high)

    def find(path: str) -> list[Record]:
        nonlocal found
        found = _narrowed(fs, path, low, high, first)
        return _read_between(fs, path, log, found[0], high, wanted)

    records = await _by_path(log, lambda path: trio.to_thread.run_sync(find, path))
    for place in found:  # the next one who reads between them knows how little there is
        log.index.insert(place)
    return records


def _is_at_hand(fs: FileSystem, log: Log, low: LogOffset, high: LogOffset, first: int) -> bool:
    """Whether it costs less to read where we stand than to have a thread do it, and no disk is waited for long."""
    size = high.start - low.start
    if size <= INLINE_BYTES_MAX:
        return True
    if size > AT_HAND_BYTES_MAX or first - low.seq > INDEX_STEP:
        return False
    with suppress(OSError):
        fd = fs.open_to_read(log.path)
        try:
            return fs.is_at_hand(fd, low.start, size)
        finally:
            fs.close(fd)
    return False


class _Wanted(msgspec.Struct, frozen=True):
    """What a reading of a file is to give: at least one record, and no more once it has so many bytes."""

    first: int
    last: int
    bytes_max: int


async def _by_path(
    log: Log, call: Callable[[str], list[Record] | Awaitable[list[Record]]]
) -> list[Record]:
    """By path and not by the writer's descriptor, which may be closed meanwhile."""
    while True:
        path = log.path
        try:
            found = call(path)
            return found if isinstance(found, list) else await found
        except FileNotFoundError as error:
            if log.deleted:
                raise NotFound(f"stream {log.stream} was deleted") from error
            if path == log.path:
                raise StoreFailed(f"stream {log.stream}: {path} is gone", retry=False) from error
            # It was archived or brought back while we looked.
        except OSError as error:
            raise store_failed(f"stream {log.stream}: {path} cannot be read", error) from error


def _narrowed(
    fs: FileSystem, path: str, low: LogOffset, high: LogOffset, seq: int
) -> tuple[LogOffset, LogOffset]:
    """Places a little in front of a record and behind it, searched for if none are known. Blocks."""
    fd = fs.open_to_read(path)
    try:
        return narrow(lambda start, size: fs.read(fd, start, size), low, high, seq)
    finally:
        fs.close(fd)


def _read_between(
    fs: FileSystem, path: str, log: Log, low: LogOffset, high: LogOffset, wanted: _Wanted
) -> list[Record]:
    """The records that are wanted, all from the lower place on checked. Blocks."""
    found: list[Record] = []
    seq, start, chain = low.seq, low.start, low.chain
    size = PIECE_BYTES_MAX
    taken = 0
    fd = fs.open_to_read(path)
    try:
        while seq < wanted.last and taken < wanted.bytes_max:
            piece = fs.read(fd, start, min(size, high.start - start))
            lines, used, chain = check_lines(piece, seq, chain)
            if not lines:
                # A line longer than a piece needs more of the file.
                if start + len(piece) >= high.start or len(piece) < size or size > RECORD_BYTES_MAX:
                    raise damaged(log.stream, path, seq + 1, "it changed since it was opened")
                size *= 2
                continue
            ahead = max(0, wanted.first - seq - 1)
            kept = lines[ahead : wanted.last - seq]
            found += records_of(kept, seq + ahead)
            taken += sum(map(len, kept))
            start, seq, size = start + used, seq + len(lines), PIECE_BYTES_MAX
    finally:
        fs.close(fd)
    return found
