"""Going through a stream from a position, in either direction, with one page of it in memory at a time.

    async for record in records(log, "order-1", after=7):
        …

Law: a reader is a position. It holds nothing that must be given back, so a loop may end at any record.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Self

from codexd_eventstore.event_log import PAGE_BYTES_MAX, PAGE_RECORDS_MAX, EventLog, Record


class Pages:
    """The records after a position, oldest first, page by page.

    Args:
        upto: the last record that is wanted; None: all, as far as the stream has grown when its end is reached.
        limit: how many records are read at a time.
    """

    def __init__(
        self,
        log: EventLog,
        stream: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int = PAGE_RECORDS_MAX,
    ) -> None:
        self._log, self._stream, self._position = log, stream, after
        self._upto, self._limit = upto, limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Record]:
        limit = self._limit
        if self._upto is not None:
            limit = min(limit, self._upto - self._position)
            if limit <= 0:
                raise StopAsyncIteration
        page = await self._log.read(self._stream, after=self._position, limit=limit)
        if not page:
            raise StopAsyncIteration
        self._position = page[-1].seq
        return page


class _Records:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._page: Iterator[Record] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        while True:
            for record in self._page:
                return record
            self._page = iter(await anext(self._pages))


class RecordsBack:
    """The records before a position, newest first."""

    def __init__(self, log: EventLog, stream: str, before: int | None, limit: int) -> None:
        self._log, self._stream, self._before, self._limit = log, stream, before, limit
        self._page: Iterator[Record] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        while True:
            for record in self._page:
                self._before = record.seq
                return record
            page = await self._log.read_back(self._stream, before=self._before, limit=self._limit)
            if not page:
                raise StopAsyncIteration
            self._page = iter(page)

    def jump(self, before: int) -> None:
        """Go on before an earlier record, without those in between."""
        self._before, self._page = before, iter(())


def records(
    log: EventLog,
    stream: str,
    *,
    after: int = 0,
    upto: int | None = None,
    limit: int = PAGE_RECORDS_MAX,
) -> AsyncIterator[Record]:
    """The records after a position, oldest first; `upto` and `limit` as in `Pages`."""
    return _Records(Pages(log, stream, after=after, upto=upto, limit=limit))


def records_back(
    log: EventLog, stream: str, *, before: int | None = None, limit: int = PAGE_RECORDS_MAX
) -> RecordsBack:
    """The records before a position (None: from the end), newest first, read `limit` at a time."""
    return RecordsBack(log, stream, before, limit)


async def record_at(log: EventLog, stream: str, seq: int) -> Record:
    """One record that there is."""
    (record,) = await log.read(stream, after=seq - 1, limit=1)
    return record


def bounded(records: list[Record]) -> list[Record]:
    """The part of these records that a page has, by their bytes."""
    sizes = [len(record.line) for record in records]
    if sum(sizes) < PAGE_BYTES_MAX:
        return records
    count = sum(size < PAGE_BYTES_MAX for size in itertools.accumulate(sizes)) + 1
    return records[:count]
