"""The history as it stands behind a marker: folded on from a step in front of which nothing has become another."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import Event
from codexd.core.events.revert import MARKERS
from codexd.core.state.visibility import Reverts, Visibility
from codexd.core.state.window import ContextWindow
from codexd.core.values.ids import ThreadId
from codexd.projections.model.history import ModelHistory
from codexd.projections.summary import Summary
from codexd.runtime.snapshots.refold import Folded
from codexd.runtime.snapshots.steps import Covered, Seed, SnapshotWriter, find_seed
from codexd_eventstore.store import EventStore


class Refolded(msgspec.Struct, frozen=True):
    """A history that was folded anew."""

    history: ModelHistory
    window: ContextWindow
    covered: Covered  # what of it is in steps
    events: int  # so many records behind those steps were read for it
    size_bytes: int

    def take_over(self, snapshot_writer: SnapshotWriter) -> ModelHistory:
        """It is the thread's from now on."""
        snapshot_writer.go_back_to(self.covered, self.events, self.size_bytes)
        return self.history


async def refold(
    store: EventStore, thread_id: ThreadId, reverts: Reverts, version: int
) -> Refolded:
    """The history up to a version as it stands by the markers. Raises: StoreError, InvalidEvent."""
    seed = await _find_standing(store, thread_id, reverts, version)
    if seed is None:
        folded, covered = Folded(ModelHistory(), ContextWindow(), 0), Covered()
    else:
        folds, covered = seed.folds, seed.covered
        folded = Folded(folds.history, folds.state.window, folds.version)
    after = folded.seq
    await folded.go_on(store, thread_id, Visibility(reverts), version)
    return Refolded(folded.history, folded.window, covered, version - after, folded.size_bytes)


async def refolded_for(
    store: EventStore, thread_id: ThreadId, summary: Summary, events: Sequence[Event]
) -> tuple[Sequence[Event], Refolded | None]:
    """Where a marker comes last: the history behind it, and the events with one that says its size.

    Raises: StoreError, InvalidEvent.
    """
    marker = events[-1]
    if not isinstance(marker, MARKERS):
        return events, None
    reverts = summary.reverts.after(summary.seq + len(events), marker)
    refolded = await refold(store, thread_id, reverts, summary.seq)
    tokens = refolded.window.context_tokens
    return (*events[:-1], replace(marker, tokens=tokens)), refolded


async def _find_standing(
    store: EventStore, thread_id: ThreadId, reverts: Reverts, at_seq: int
) -> Seed | None:
    """The newest folds in front of which everything stands now as it stood there."""
    while True:
        seed = await find_seed(store, thread_id, at_seq)
        if seed is None:
            head = await store.head(thread_id)
            if head.parent is None:
                return None
            # A fork that has kept nothing yet: what it inherited, its elders may have kept.
            thread_id, at_seq = ThreadId(head.parent), min(at_seq, head.parent_seq)
            continue
        differs = reverts.differs_at(seed.folds.summary.reverts, seed.folds.version)
        if differs is None:
            return seed
        at_seq = differs - 1
