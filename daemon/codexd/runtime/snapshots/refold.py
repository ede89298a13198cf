"""The model's history after a revert or its undoing: folded again from the log.

Folding starts from the newest snapshot before which the reverts change nothing. So reverting the last turns costs
a snapshot and its tail, however long the thread is.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import Event
from codexd.core.events.history import MARKER_TYPES, MARKERS
from codexd.core.events.record import decode_record
from codexd.core.state.visibility import SAYING_ANYWAY, Reverts, Visibility
from codexd.core.state.window import ContextWindow, fold_window
from codexd.core.values.ids import ThreadId
from codexd.projections.model.history import ModelHistory
from codexd.runtime.snapshots.folds import Folds
from codexd.runtime.snapshots.writer import SnapshotWriter, find_folds, find_whole
from codexd_eventstore.reading import Pages
from codexd_eventstore.store import EventLog, EventStore

# Events that have an effect also where they are reverted.
_SAYING = frozenset(kind.type for kind in SAYING_ANYWAY)


class Refolded(msgspec.Struct):
    """A history that was folded again, and how full it makes the model's window."""

    history: ModelHistory = msgspec.field(default_factory=ModelHistory)
    window: ContextWindow = ContextWindow()
    seq: int = 0  # of the last record that was taken in
    events: int = 0  # records that were read
    size_bytes: int = 0  # of those

    @classmethod
    def begun_at(cls, folds: Folds | None) -> Refolded:
        """At a snapshot, or at the beginning of the log."""
        if folds is None:
            return cls()
        return cls(folds.history, folds.state.window, folds.version)

    async def go_on(
        self, log: EventLog, thread_id: ThreadId, reverts: Reverts, version: int
    ) -> Refolded:
        """Apply the records up to a version that count after the reverts. Raises: StoreError, InvalidEvent."""
        visibility = Visibility(reverts)
        async for page in Pages(log, thread_id, after=self.seq, upto=version):
            for record in page:
                self.seq, self.events = record.seq, self.events + 1
                self.size_bytes += len(record.line)
                if not visibility.counts(record.seq) and record.type not in _SAYING:
                    continue
                for event in visibility.of(record.seq, decode_record(record.line).event):
                    self.history = self.history.after(event, record.seq)
                    self.window = fold_window(self.window, event)
        return self


async def refold(
    store: EventStore, thread_id: ThreadId, folds: Folds, reverts: Reverts, version: int
) -> Refolded:
    """The history up to a version after the reverts. Raises: StoreError, InvalidEvent.

    Args:
        folds: the thread's folds before, for the items that are in memory.
    """
    found = await _find_standing(store, thread_id, reverts, version)
    if found is not None:
        found.history = _with_items_of(folds, found)
    return await Refolded.begun_at(found).go_on(store, thread_id, reverts, version)


async def refolded_for(
    store: EventStore, thread_id: ThreadId, folds: Folds, events: Sequence[Event]
) -> tuple[Sequence[Event], Refolded | None]:
    """Where the last event is a marker: the history after it, and the events with the history's size in the marker.

    Raises: StoreError, InvalidEvent.
    """
    marker = events[-1]
    if not isinstance(marker, MARKERS):
        return events, None
    summary = folds.summary
    reverts = summary.reverts.after(summary.seq + len(events), marker)
    refolded = await refold(store, thread_id, folds, reverts, summary.seq)
    tokens = refolded.window.context_tokens
    return (*events[:-1], replace(marker, tokens=tokens)), refolded


async def reverts_after(
    log: EventLog, thread_id: ThreadId, reverts: Reverts, after: int, version: int
) -> Reverts:
    """The reverts up to a version, with the markers after an event. Raises: StoreError, InvalidEvent."""
    async for page in Pages(log, thread_id, after=after, upto=version):
        for record in page:
            if record.type in MARKER_TYPES:
                reverts = reverts.after(record.seq, decode_record(record.line).event)
    return reverts


async def evicted_items(
    store: EventStore, thread_id: ThreadId, folds: Folds, writer: SnapshotWriter
) -> list[bytes]:
    """The items of a history that are not in memory. Raises: StoreError, InvalidEvent.

    Read from the whole history that is stored and the log after it, or from the log since the newest compaction.
    """
    history, reverts, version = folds.history, folds.summary.reverts, folds.version
    whole, common = await _find_whole(store, thread_id, version)
    begin: Folds | None = None
    if whole is not None:
        writer.found_whole(whole, version)
        standing = reverts.differs_at(whole.summary.reverts, min(whole.version, common)) is None
        if standing and whole.version <= common:
            begin = whole
        elif history.begins_with(whole.history.items[: history.evicted]):
            return whole.history.items[: history.evicted]
    if begin is None and history.since:
        begin = await _find_standing(store, thread_id, reverts, history.since - 1)
    refolded = await Refolded.begun_at(begin).go_on(store, thread_id, reverts, version)
    return refolded.history.items[: history.evicted]


async def _find_whole(
    store: EventStore, thread_id: ThreadId, version: int
) -> tuple[Folds | None, int]:
    """The newest whole history that is stored for the thread or an ancestor, up to where they share a log."""
    while True:
        whole = await find_whole(store, thread_id)
        if whole is not None:
            return whole.fold, version
        head = await store.head(thread_id)
        if head.parent is None:
            return None, version
        thread_id, version = ThreadId(head.parent), min(version, head.parent_seq)


async def _find_standing(
    store: EventStore, thread_id: ThreadId, reverts: Reverts, at_seq: int
) -> Folds | None:
    """The newest folds in a snapshot that the reverts do not change."""
    while True:
        found = await find_folds(store, thread_id, at_seq)
        if found is None:
            head = await store.head(thread_id)
            if head.parent is None:
                return None
            # A fork without a snapshot: its ancestors may have snapshots of the inherited records.
            thread_id, at_seq = ThreadId(head.parent), min(at_seq, head.parent_seq)
            continue
        differs = reverts.differs_at(found.summary.reverts, found.version)
        if differs is None:
            return found
        at_seq = differs - 1


def _with_items_of(folds: Folds, earlier: Folds) -> ModelHistory:
    """The earlier history with the items that the thread has in memory, where its own begins with those."""
    history, now = earlier.history, folds.history
    differs = folds.summary.reverts.differs_at(earlier.summary.reverts, earlier.version)
    if differs is not None or history.since != now.since or now.evicted:
        return history
    return history.with_restored(now.items[: history.evicted])
