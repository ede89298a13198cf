"""Reading records of open logs: from memory where they are new, else by one read of the file, checked again.

A fork's inherited records are read from the streams of its lineage; nothing was copied.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from codexd_eventstore.files import FileSystem
from codexd_eventstore.lines import at_us_of, chain_start, crc_of, marks_of, read_lines
from codexd_eventstore.log import INDEX_STEP, Log
from codexd_eventstore.opening import damaged
from codexd_eventstore.shelf import INLINE_BYTES_MAX, Shelf
from codexd_eventstore.store import (
    PAGE_RECORDS_MAX,
    Damaged,
    NotFound,
    Record,
    Refused,
    StoreFailed,
)

# What a follower that catches up gets at a time from the file: bounds what it holds.
PIECE_BYTES_MAX: Final = 256 * 1024


async def read_range(shelf: Shelf, fs: FileSystem, log: Log, first: int, last: int) -> list[Record]:
    """The records from `first` to `last`, all of which there are."""
    return await _in_lineage(shelf, log, lambda log: _all(shelf, fs, log, first, last))


async def _in_lineage(
    shelf: Shelf, log: Log, call: Callable[[Log], Awaitable[list[Record]]]
) -> list[Record]:
    """Read through a log's ancestors, again where one of them went away meanwhile."""
    while True:
        lineage = log.lineage
        try:
            return await call(log)
        except NotFound:
            # Where an ancestor is gone, the log was given copies of what it shared.
            current = await shelf.open(log.stream)
            if current is log and log.lineage is lineage:
                raise
            log = current


async def _all(shelf: Shelf, fs: FileSystem, log: Log, first: int, last: int) -> list[Record]:
    if first > log.base:
        return await _own(shelf, fs, log, first, last)
    records: list[Record] = []
    for stream, end in log.lineage:
        if first <= min(end, last):
            parent = await shelf.open(stream)
            # Records in front of its own belong to an ancestor, which came before it here.
            records += await _own(shelf, fs, parent, first, min(end, last))
            first = min(end, last) + 1
    if first <= last:
        records += await _own(shelf, fs, log, first, last)
    return records


async def read_piece(shelf: Shelf, fs: FileSystem, log: Log, after: int) -> list[Record]:
    """Some records behind `after`, at least one: all that memory has, or a bounded piece of the file."""
    in_memory = log.ring.range(after + 1, log.version)
    if in_memory:
        return in_memory
    return await _in_lineage(shelf, log, lambda log: _piece(shelf, fs, log, after))


async def _piece(shelf: Shelf, fs: FileSystem, log: Log, after: int) -> list[Record]:
    first = after + 1
    last = min(log.version, after + PAGE_RECORDS_MAX)
    holder, end = log, last
    if first <= log.base:
        for stream, end in log.lineage:
            if first <= end:
                holder = await shelf.open(stream)
                break
    end = min(end, last)
    while end > first and holder.span(first, end)[1] > PIECE_BYTES_MAX:
        end = max(first, end - INDEX_STEP)
    return await _own(shelf, fs, holder, first, end)


async def fork_point(shelf: Shelf, fs: FileSystem, parent: Log, at_seq: int) -> tuple[int, int]:
    """The chain and the time at the last record that a fork shares. Raises: Refused."""
    if not 0 <= at_seq <= parent.version:
        raise Refused(
            f"stream {parent.stream} has {parent.version} records: it cannot be forked at {at_seq}"
        )
    if at_seq == 0:
        return chain_start(parent.stream), 0
    record = (await read_range(shelf, fs, parent, at_seq, at_seq))[0]
    if marks_of(record).more:
        raise Refused(f"stream {parent.stream}: {at_seq} is within an append: nothing was forked")
    return crc_of(record.line), at_us_of(record)


async def _own(shelf: Shelf, fs: FileSystem, log: Log, first: int, last: int) -> list[Record]:
    """Records that are in the log's own file, also if that is replaced while it is read."""
    while True:
        try:
            return await _in_file(fs, log, first, last)
        except (Damaged, StoreFailed):
            current = await shelf.open(log.stream)
            if current is log:
                raise
            log = current


async def _in_file(fs: FileSystem, log: Log, first: int, last: int) -> list[Record]:
    if first > last:
        return []
    in_memory = log.ring.range(first, last)
    if in_memory is not None:
        return in_memory
    if last > log.version:
        raise damaged(log.stream, log.path, log.version + 1, "a fork needs it and it is not there")
    start, size, after, chain = log.span(first, last)
    piece = await _read_file(fs, log, start, size)
    records, used, _ = read_lines(piece, after, chain)
    if used != len(piece) or after + len(records) < last:
        raise damaged(
            log.stream, log.path, after + len(records) + 1, "it changed since it was opened"
        )
    return records[first - after - 1 : last - after]


async def _read_file(fs: FileSystem, log: Log, start: int, size: int) -> bytes:
    """By path and not by the writer's descriptor, which may be closed meanwhile."""
    while True:
        path = log.path
        try:
            if size <= INLINE_BYTES_MAX:
                return fs.read_range(path, start, size)
            return await trio.to_thread.run_sync(fs.read_range, path, start, size)
        except FileNotFoundError as error:
            if log.deleted:
                raise NotFound(f"stream {log.stream} was deleted") from error
            if path == log.path:
                raise StoreFailed(f"stream {log.stream}: {path} is gone", retry=False) from error
            # It was archived or brought back while we looked.
        except OSError as error:
            message = f"stream {log.stream}: {path} cannot be read: {error}"
            raise StoreFailed(message, retry=False) from error
