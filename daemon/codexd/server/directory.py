"""All threads, loaded or not, as lists show them.

Lists start from the logs: a summary is a fold of its thread's log, kept in memory while the log stays as
long as it was, and folded anew when it does not. A log that cannot be read is logged and left out; it is
never a reason to refuse the list.
"""

from __future__ import annotations

import logging

import msgspec
import trio

from codexd.core.events import InvalidEvent
from codexd.core.ids import ThreadId
from codexd.core.record import decode_record
from codexd.projections.threads import Summary, tells
from codexd.runtime.supervisor import Supervisor
from codexd_eventstore.store import EventStore, NotFound, StoreError, StreamEntry

log = logging.getLogger(__name__)


class Row(msgspec.Struct, frozen=True):
    """One thread of the list."""

    thread_id: ThreadId
    summary: Summary
    path: str | None


class _Kept(msgspec.Struct, frozen=True):
    size_bytes: int
    summary: Summary
    path: str | None


class Directory:
    """The threads of one store."""

    def __init__(self, store: EventStore, supervisor: Supervisor) -> None:
        self._store, self._supervisor = store, supervisor
        self._kept: dict[ThreadId, _Kept] = {}
        self._reading = trio.Lock()

    async def rows(self, *, archived: bool) -> list[Row]:
        """All threads that are archived, or all that are not, in no particular order."""
        async with self._reading:
            rows = []
            for entry in await self._store.streams(archived=archived):
                row = await self._row(entry)
                if row is not None and row.summary.started is not None:
                    rows.append(row)
            return rows

    async def find(self, thread_id: ThreadId) -> Row:
        """One thread. Raises: NotFound, and other StoreErrors."""
        thread = self._supervisor.loaded(thread_id)
        if thread is not None:
            return Row(thread_id, thread.summary, thread.path)
        return await self._folded(thread_id)

    async def _row(self, entry: StreamEntry) -> Row | None:
        thread_id = ThreadId(entry.stream)
        thread = self._supervisor.loaded(thread_id)
        if thread is not None:
            return Row(thread_id, thread.summary, thread.path)
        kept = self._kept.get(thread_id)
        if kept is not None and kept.size_bytes == entry.size_bytes:
            return Row(thread_id, kept.summary, kept.path)
        try:
            row = await self._folded(thread_id)
        except NotFound:
            return None  # It was deleted or moved since the folder was read.
        except (StoreError, InvalidEvent) as error:
            log.error("thread %s is left out of lists: %s", thread_id, error)
            return None
        self._kept[thread_id] = _Kept(entry.size_bytes, row.summary, row.path)
        return row

    async def _folded(self, thread_id: ThreadId) -> Row:
        summary = Summary()
        head = await self._store.head(thread_id)
        after = 0
        while after < head.version:
            page = await self._store.read(thread_id, after=after)
            for record in page:
                # The last record is decoded whatever it says: its time is the thread's.
                if tells(record.line) or record.seq == head.version:
                    summary.apply(decode_record(record.line))
            after = page[-1].seq
        if self._supervisor.loaded(thread_id) is None:
            self._store.close(thread_id)
        return Row(thread_id, summary, head.path)
