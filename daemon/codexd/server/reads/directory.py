"""All threads, loaded or not, for lists and searches.

Lists come from the index; a loaded thread gives its own row, so that a change that was reported to a client shows in
the next list. Where the index is not available, lists are folded from the logs. A log that cannot be read is listed
with its error; it is never a reason to refuse the list.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from codexd.core.events.events import InvalidEvent
from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import ThreadId
from codexd.index.build.rows import NO_BEGINNING, is_thread, nothing_read
from codexd.index.index import IndexUnavailable, SearchIndex
from codexd.index.query.listing import (
    ListCursor,
    Row,
    SortKey,
    Wanted,
    count,
    damaged,
    folders,
    page_of_rows,
)
from codexd.index.query.search import Occurrence, occurrences
from codexd.projections.summary import Summary
from codexd.protocol.codexd_methods import Indexing
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.snapshots.unloaded import summary_of
from codexd.runtime.supervisor import Supervisor
from codexd.runtime.troubles import Trouble, unreadable
from codexd_eventstore.store import Damaged, EventStore, NotFound, StoreError

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)


# Damaged threads that the daemon's status names: where a whole disk fails, the newest are enough.
DAMAGED_SHOWN_MAX: Final = 64


class DirectoryPage(msgspec.Struct, frozen=True):
    """Some threads in order, and whether more follow."""

    rows: tuple[Row, ...]
    more: bool


class Directory:
    """The threads of one store."""

    def __init__(self, store: EventStore, supervisor: Supervisor, index: SearchIndex) -> None:
        self._store, self._supervisor, self.index = store, supervisor, index
        self.unindexed: str | None = None  # why there was no index to read, last time

    @property
    def indexing(self) -> Indexing | None:
        """The progress of the index, where it does not have all threads yet."""
        progress = self.index.progress
        if progress is None or progress.ended:
            return None
        return Indexing(progress.done, progress.total)

    async def page(
        self, wanted: Wanted, key: SortKey, *, upwards: bool, start: ListCursor | None, limit: int
    ) -> DirectoryPage:
        """So many threads from a place on."""
        try:
            loaded = len(self._supervisor.threads)
            # As many more as may turn out to be somewhere else in the list by now.
            rows = await self.index.read(
                lambda index: page_of_rows(
                    index, wanted, key, upwards=upwards, start=start, limit=limit + 1 + loaded
                ),
                loaded_too=False,
            )
            full = len(rows) == limit + 1 + loaded
        except IndexUnavailable as error:
            log.warning("a list is folded from the logs: %s", error)
            rows, full = await self._folded_rows(wanted), False
        loaded_now = {thread.thread_id: thread for thread in self._supervisor.threads}
        last = rows[-1].cursor(key) if full else None
        rows = [row for row in rows if row.thread_id not in loaded_now]
        rows += [
            row for thread in loaded_now.values() if (row := _live(thread, wanted)) is not None
        ]
        ordered = sorted(rows, key=lambda row: row.cursor(key), reverse=not upwards)

        def is_behind(cursor: ListCursor, other: ListCursor) -> bool:
            return cursor > other if upwards else cursor < other

        shown = [
            row
            for row in ordered
            if (start is None or is_behind(row.cursor(key), start))
            and (last is None or not is_behind(row.cursor(key), last))
        ]
        return DirectoryPage(tuple(shown[:limit]), full or len(shown) > limit)

    async def recent(self, term: str, limit: int) -> list[tuple[ThreadId, Summary]]:
        """The threads that were used last, whose name or preview has a text."""
        wanted = Wanted(term=term, sources=())
        page = await self.page(wanted, "updated", upwards=False, start=None, limit=limit)
        return [(row.thread_id, row.summary) for row in page.rows]

    async def occurrences(
        self, thread_id: ThreadId, term: str, start: ListCursor | None, limit: int
    ) -> list[Occurrence]:
        """The matches of a text in a thread's messages. Raises: NotFound, IndexUnavailable."""
        visibility = Visibility((await self.find(thread_id)).summary.reverts)

        def asked(index: sqlite3.Connection) -> list[Occurrence]:
            found = occurrences(index, thread_id, term, start)
            return list(islice((hit for hit in found if visibility.counts(hit.turn_seq)), limit))

        try:
            return await self.index.read(asked)
        except KeyError as error:
            raise NotFound(f"thread {thread_id} is not in the index") from error

    async def count(self) -> int:
        """How many threads there are, without archived threads; loaded or not."""
        try:
            known = await self.index.glance(count)
        except IndexUnavailable:
            return len(await self._store.streams())
        progress = self.index.progress
        return max(known, progress.total if progress is not None else 0)

    async def folders(self) -> set[str]:
        """The working directories of all threads, as far as the index knows them."""
        states = [thread.state for thread in self._supervisor.threads]
        loaded = {state.settings.cwd for state in states if state.settings is not None}
        try:
            return loaded | await self.index.glance(folders)
        except IndexUnavailable:
            return loaded

    async def damaged(self) -> dict[ThreadId, Trouble]:
        """Threads whose logs do not read to their ends, as far as that is known."""
        try:
            found = await self.index.glance(lambda index: damaged(index, DAMAGED_SHOWN_MAX))
        except IndexUnavailable as error:
            self.unindexed = str(error)
            return {}
        self.unindexed = None
        loaded = {thread.thread_id for thread in self._supervisor.threads}
        return {
            ThreadId(name): unreadable(ThreadId(name), why)
            for name, why in found
            if name not in loaded and is_thread(name)
        }

    async def find(self, thread_id: ThreadId) -> Row:
        """One thread. Raises: NotFound, other StoreErrors, InvalidEvent."""
        thread = self._supervisor.loaded(thread_id)
        if thread is not None and thread.version:  # Without a record it is just being made.
            return Row(thread_id, thread.summary, thread.path)
        try:
            known = await self.index.look(thread_id)
        except IndexUnavailable as error:
            log.warning("thread %s is folded from its log: %s", thread_id, error)
            known, damage = None, await self._nothing_read(thread_id)
        else:
            damage = known.damage if known is not None else None
        if known is not None and known.damage is None and known.summary.started is not None:
            return Row(thread_id, known.summary, known.path)
        try:
            row = await self._folded(thread_id)
        except NotFound:
            if damage is None:
                raise
            raise Damaged(f"thread {thread_id} cannot be read: {damage}") from None
        if row.summary.started is None or row.summary.settings is None:
            raise InvalidEvent(f"thread {thread_id}: {NO_BEGINNING}")
        return row

    async def _folded_rows(self, wanted: Wanted) -> list[Row]:
        rows = []
        for entry in await trio.to_thread.run_sync(list, self.index.logs.streams()):
            thread_id = ThreadId(entry.stream)
            if entry.archived != wanted.archived or not is_thread(thread_id):
                continue
            if self._supervisor.loaded(thread_id) is not None:
                continue
            try:
                row = await self._folded(thread_id)
                if row.summary.started is None:
                    row = Row(thread_id, row.summary, row.path, NO_BEGINNING)
            except NotFound:
                damage = await self._nothing_read(thread_id)
                if damage is None:
                    continue  # It was deleted or moved since the folder was read.
                row = Row(thread_id, Summary(), None, damage)
            except (StoreError, InvalidEvent) as error:
                log.error("thread %s is damaged: %s", thread_id, error)
                row = Row(thread_id, Summary(), None, str(error))
            if wanted.has(row):
                rows.append(row)
        return rows

    async def _nothing_read(self, thread_id: ThreadId) -> str | None:
        """The problem of a log that the store does not find and its folder has; None: it is not there."""
        try:
            found = await trio.to_thread.run_sync(self.index.logs.find, thread_id)
        except OSError as error:
            return f"no record in its log can be read: {error}"
        return None if found is None else nothing_read(found)

    async def _folded(self, thread_id: ThreadId) -> Row:
        head = await self._store.head(thread_id)
        summary = await summary_of(self._store, thread_id, head.version)
        if self._supervisor.loaded(thread_id) is None:
            self._store.close(thread_id)
        return Row(thread_id, summary, head.path)


def _live(thread: ThreadActor, wanted: Wanted) -> Row | None:
    """A loaded thread, if the list shows it."""
    if thread.summary.ephemeral or not thread.version:
        return None  # It is kept in memory only, or is just being made.
    row = Row(thread.thread_id, thread.summary, thread.path)
    return row if thread.is_log_archived == wanted.archived and wanted.has(row) else None
