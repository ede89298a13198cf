"""Reads records of open logs: new ones from memory, others by one read of the file, checked again.

A fork's inherited records are read from the streams of its lineage; nothing was copied.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec
import trio

from codexd_eventstore.disk.files import FileSystem, reading, store_failed
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

# Up to this size, records are read and checked on the event loop: a page of 50. A thread hop costs as much.
INLINE_BYTES_MAX: Final = 128 * 1024
# The same for records in the page cache: a page of 1,024. Checking keeps the interpreter busy for some 0.7 ms
# in a thread as well; a thread is only needed to wait for the disk.
AT_HAND_BYTES_MAX: Final = 1024 * 1024
# How much is read from a file at a time: the bound for a follower that catches up.
PIECE_BYTES_MAX: Final = 256 * 1024
# The bytes that are enough for a follower: most of a piece, whose first records may not be wanted.
ENOUGH_BYTES: Final = 128 * 1024


async def read_range(
    open_logs: OpenLogs,
    fs: FileSystem,
    log: Log,
    first: int,
    last: int,
    bytes_max: int = sys.maxsize,
) -> list[Record]:
    """The existing records from `first` to `last`; reading stops once they have `bytes_max`."""
    return await _in_lineage(
        open_logs, log, lambda log: _all(open_logs, fs, log, first, last, bytes_max)
    )


async def _in_lineage(
    open_logs: OpenLogs, log: Log, call: Callable[[Log], Awaitable[list[Record]]]
) -> list[Record]:
    """Read from a log's ancestors, and again if an ancestor was deleted meanwhile."""
    while True:
        lineage = log.lineage
        try:
            return await call(log)
        except NotFound:
            # If an ancestor is gone, the log has copies of the shared records.
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
        # Records before its own belong to an ancestor, which was read before.
        found = await _own(open_logs, fs, holder, first, end, bytes_max)
        records += found
        if end == last or found[-1].seq < end:
            break
        first, bytes_max = end + 1, bytes_max - sum(len(record.line) for record in found)
        if bytes_max <= 0:
            break
    return records


async def read_piece(open_logs: OpenLogs, fs: FileSystem, log: Log, after: int) -> list[Record]:
    """Some records after `after`, at least one: all that memory has, or a bounded piece of the file."""
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
    low, high = log.offsets_around(first, last)
    wanted = _Wanted(first, last, bytes_max)
    if _is_at_hand(fs, log, low, high, first):
        if high.start - low.start > INLINE_BYTES_MAX:
            # A caller that reads page after page lets other tasks run.
            await trio.lowlevel.checkpoint()
        return await _by_path(log, lambda path: _read_between(fs, path, log, low, high, wanted))

    found: tuple[LogOffset, LogOffset] = (low, high)

    def find(path: str) -> list[Record]:
        nonlocal found
        found = _narrowed(fs, path, low, high, first)
        return _read_between(fs, path, log, found[0], high, wanted)

    records = await _by_path(log, lambda path: trio.to_thread.run_sync(find, path))
    for place in found:  # the next read between them is short
        log.index.insert(place)
    return records


def _is_at_hand(fs: FileSystem, log: Log, low: LogOffset, high: LogOffset, first: int) -> bool:
    """Whether reading on the event loop is cheaper than in a thread, and does not wait for a disk."""
    size = high.start - low.start
    if size <= INLINE_BYTES_MAX:
        return True
    if size > AT_HAND_BYTES_MAX or first - low.seq > INDEX_STEP:
        return False
    with suppress(OSError), reading(fs, log.path) as fd:
        return fs.is_at_hand(fd, low.start, size)
    return False


class _Wanted(msgspec.Struct, frozen=True):
    """The wanted records of a read: at least one, and no more once they have `bytes_max`."""

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
            # It was archived or unarchived meanwhile.
        except OSError as error:
            raise store_failed(f"stream {log.stream}: {path} cannot be read", error) from error


def _narrowed(
    fs: FileSystem, path: str, low: LogOffset, high: LogOffset, seq: int
) -> tuple[LogOffset, LogOffset]:
    """Offsets shortly before a record and after it, searched for if none are known. Blocks."""
    with reading(fs, path) as fd:
        return narrow(lambda start, size: fs.read(fd, start, size), low, high, seq)


def _read_between(
    fs: FileSystem, path: str, log: Log, low: LogOffset, high: LogOffset, wanted: _Wanted
) -> list[Record]:
    """The wanted records; all lines from the lower offset on are checked. Blocks."""
    found: list[Record] = []
    seq, start, chain = low.seq, low.start, low.chain
    size = PIECE_BYTES_MAX
    taken = 0
    with reading(fs, path) as fd:
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
    return found
