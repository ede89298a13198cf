"""From a thread's log to its folds: from the newest snapshot on, or from the first record where there is none.

Where a revert comes after the snapshot, the history alone is folded from an earlier snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import ThreadForked, TurnStarted
from codexd.core.events.history import MARKER_TYPES
from codexd.core.events.record import Recorded, decode_record
from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import ThreadId
from codexd.machine.pacing import Steps
from codexd.runtime.snapshots.folds import ALL_COUNT, Folds
from codexd.runtime.snapshots.refold import refold, reverts_after
from codexd.runtime.snapshots.writer import SnapshotWriter, find_folds
from codexd_eventstore.reading import Pages
from codexd_eventstore.store import EventStore, Head, Record

# A first reading takes its snapshots by size; this many small events are worth a snapshot too.
SNAPSHOT_EVENTS_LOADING: Final = 20_000
# Nearly what the largest window takes. Compaction bounds conversations, so a longer history is rare: only the items
# that no request has had are held of it, so that a first reading stays small; the rest is read if a request is due.
HELD_BYTES_LOADING: Final = 3 * 1024 * 1024

# Called with every record of a log while it is loaded, so that the caller's own fold needs no second reading;
# not called where a snapshot makes that reading unnecessary.
OnRecord = Callable[[Recorded], None]


class Loaded(msgspec.Struct, frozen=True):
    """A thread as its log has it."""

    folds: Folds
    head: Head
    # The records from the last turn's first one on, where it still runs.
    turn_so_far: Sequence[Recorded]
    forked: bool  # whether its last record is its own `thread.forked`


async def load(
    store: EventStore,
    thread_id: ThreadId,
    snapshot_writer: SnapshotWriter,
    *,
    seed: Folds | None = None,
    on_record: OnRecord | None = None,
    events: int = SNAPSHOT_EVENTS_LOADING,
    held_bytes: int = HELD_BYTES_LOADING,
) -> Loaded:
    """Fold a thread's log. Raises: StoreError, InvalidEvent.

    Args:
        seed: folds to begin with, instead of those of a snapshot.
        events: after this many a snapshot is taken on the way.
        held_bytes: of a longer history only the items that no request has had are held.
    """
    head = await store.head(thread_id)
    folds = seed or await find_folds(store, thread_id, head.version)
    await snapshot_writer.begin()
    folds, on_record = (folds, None) if folds is not None else (Folds(), on_record)
    forked, turn_so_far, steps = False, list[Recorded](), Steps()
    visibility: Visibility | None = None  # known once a turn was reverted after the seed
    async for page in Pages(store, thread_id, after=folds.version, upto=head.version):
        foreign = await store.foreign_in(thread_id, page)
        for record in page:
            if record.type in MARKER_TYPES and visibility is None:
                visibility = await _fold_again(
                    store, thread_id, folds, snapshot_writer, head.version
                )
            recorded = _read(record, foreign)
            forked = isinstance(recorded.event, ThreadForked)
            folds.apply(recorded, visibility or ALL_COUNT)
            if on_record is not None:
                on_record(recorded)
            if isinstance(recorded.event, TurnStarted):
                turn_so_far.clear()
            turn_so_far.append(recorded)
            if steps.is_over:
                await steps.next()
            snapshot_writer.grew(1, len(record.line))
            if snapshot_writer.is_due(folds, events) and _stands(folds, visibility):
                await snapshot_writer.keep(folds)
                if folds.history.sequence.size_bytes > held_bytes:
                    folds.history = folds.history.without_printed()
    return Loaded(folds, head, turn_so_far if folds.state.turn is not None else (), forked)


def _read(record: Record, foreign: Collection[int]) -> Recorded:
    recorded = decode_record(record.line)
    return replace(recorded, foreign=True) if record.seq in foreign else recorded


async def _fold_again(
    store: EventStore,
    thread_id: ThreadId,
    folds: Folds,
    snapshot_writer: SnapshotWriter,
    version: int,
) -> Visibility:
    """Fold the history again, with the reverts up to `version`; the other folds stay as they are."""
    reverts = await reverts_after(store, thread_id, folds.summary.reverts, folds.version, version)
    refolded = await refold(store, thread_id, folds, reverts, folds.version)
    folds.history = refolded.history
    snapshot_writer.went_back(refolded.events, refolded.size_bytes)
    return Visibility(reverts)


def _stands(folds: Folds, visibility: Visibility | None) -> bool:
    """Whether no later revert changes what was folded: only then may folding continue from it."""
    if visibility is None:
        return True
    return visibility.reverts.differs_at(folds.summary.reverts, folds.version) is None
