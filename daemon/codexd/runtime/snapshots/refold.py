"""The model's history as it stands after something was taken back or brought back: folded anew from the log.

A place from which it can be folded is one where everything in front of it is said now as it was said then.
So what the last turns did is taken back at the price of a step and its tail, however long the thread is.
"""

from __future__ import annotations

import msgspec

from codexd.core.events.record import decode_record
from codexd.core.events.revert import MARKER_TYPES
from codexd.core.state.visibility import SAYING_ANYWAY, Reverts, Visibility
from codexd.core.state.window import ContextWindow, fold_window
from codexd.core.values.ids import ThreadId
from codexd.projections.model.history import ModelHistory
from codexd_eventstore.store import EventStore

# What says something even where it does not count.
_SAYING = frozenset(kind.type for kind in SAYING_ANYWAY)


class Folded(msgspec.Struct):
    """A history, and how full it makes the model's window."""

    history: ModelHistory
    window: ContextWindow
    seq: int  # of the last record that was taken in
    size_bytes: int = 0  # of the records that were read

    async def go_on(
        self, store: EventStore, thread_id: ThreadId, standing: Visibility, version: int
    ) -> None:
        """Take in the records up to a version, as they stand. Raises: StoreError, InvalidEvent."""
        while self.seq < version:
            for record in await store.read(thread_id, after=self.seq):
                if record.seq > version:
                    break
                self.seq = record.seq
                self.size_bytes += len(record.line)
                if not standing.counts(record.seq) and record.type not in _SAYING:
                    continue
                for event in standing.of(record.seq, decode_record(record.line).event):
                    self.history.apply(event, record.seq)
                    self.window = fold_window(self.window, event)


async def fold_history(store: EventStore, thread_id: ThreadId, version: int) -> ModelHistory:
    """The history from the first record to a version, as it stood there. Raises: StoreError, InvalidEvent."""
    reverts = await erasures_behind(store, thread_id, Reverts(), 0, version)
    folded = Folded(ModelHistory(), ContextWindow(), 0)
    await folded.go_on(store, thread_id, Visibility(reverts), version)
    return folded.history


async def erasures_behind(
    store: EventStore, thread_id: ThreadId, reverts: Reverts, after: int, version: int
) -> Reverts:
    """What counts by the markers up to a version, from those behind a place. Raises: StoreError, InvalidEvent."""
    while after < version:
        for record in await store.read(thread_id, after=after):
            after = record.seq
            if after <= version and record.type in MARKER_TYPES:
                reverts = reverts.after(after, decode_record(record.line).event)
    return reverts
