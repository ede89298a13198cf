"""From a thread's log to its folds: from the newest snapshot on, or from the first record where there is none.

Where something was taken back behind the place to begin at, the history alone is folded from an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import ThreadForked, TurnStarted
from codexd.core.events.record import Recorded, decode_record
from codexd.core.events.revert import MARKER_TYPES
from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import ThreadId
from codexd.machine.pacing import Steps
from codexd.runtime.snapshots.after_revert import refold
from codexd.runtime.snapshots.folds import ALL_COUNT, Folds
from codexd.runtime.snapshots.refold import erasures_behind
from codexd.runtime.snapshots.steps import Seed, SnapshotWriter, find_seed, joints_of
from codexd_eventstore.store import EventStore, Head, Record

# A first reading takes its steps by their size; this many events without much in them are one as well.
STEP_EVENTS_LOADING = 20_000

# Told every record of a log while it is loaded, so that a fold of one's own costs no second reading;
# told nothing where a snapshot spares that reading.
Witness = Callable[[Recorded], None]


class Loaded(msgspec.Struct, frozen=True):
    """A thread as its log has it."""

    folds: Folds
    head: Head
    turn_so_far: Sequence[
        Recorded
    ]  # the records from the last turn's first one on, where it still runs
    forked: bool  # whether its last record is the one that made it a fork


async def load(
    store: EventStore,
    thread_id: ThreadId,
    snapshot_writer: SnapshotWriter,
    *,
    seed: Seed | None = None,
    witness: Witness | None = None,
    events: int = STEP_EVENTS_LOADING,
) -> Loaded:
    """Fold a thread's log. Raises: StoreError, InvalidEvent.

    Args:
        seed: where to begin, for whoever knows better than the thread's own snapshots.
        events: after so many a step is taken on the way.
    """
    head = await store.head(thread_id)
    seed = seed or await find_seed(store, thread_id, head.version)
    snapshot_writer.begin(await joints_of(store, thread_id) or ())
    folds = seed.folds if seed is not None else Folds.empty()
    if seed is not None:
        snapshot_writer.go_on_from(seed)
        witness = None
    forked, turn_so_far, steps = False, list[Recorded](), Steps()
    standing: Visibility | None = None  # told once something was taken back behind the seed
    while folds.version < head.version:
        page = await store.read(thread_id, after=folds.version)
        foreign = await store.foreign_in(thread_id, page)
        for record in page:
            if record.type in MARKER_TYPES and standing is None:
                standing = await _fold_anew(store, thread_id, folds, snapshot_writer, head.version)
            recorded = _read(record, foreign)
            forked = isinstance(recorded.event, ThreadForked)
            folds.apply(recorded, standing or ALL_COUNT)
            if witness is not None:
                witness(recorded)
            if isinstance(recorded.event, TurnStarted):
                turn_so_far.clear()
            turn_so_far.append(recorded)
            await steps.next()
            snapshot_writer.grew(1, len(record.line))
            if snapshot_writer.is_due(folds, events) and _stands(folds, standing):
                # What is kept need not be held: a first reading, however long, stays small.
                await snapshot_writer.keep(folds)
                snapshot_writer.let_go(folds.history)
    return Loaded(folds, head, turn_so_far if folds.state.turn is not None else (), forked)


def _read(record: Record, foreign: Collection[int]) -> Recorded:
    recorded = decode_record(record.line)
    return replace(recorded, foreign=True) if record.seq in foreign else recorded


async def _fold_anew(
    store: EventStore,
    thread_id: ThreadId,
    folds: Folds,
    snapshot_writer: SnapshotWriter,
    version: int,
) -> Visibility:
    """Fold the history so far as it stands by the markers that come; all else of the folds is as it was."""
    reverts = await erasures_behind(store, thread_id, folds.summary.reverts, folds.version, version)
    refolded = await refold(store, thread_id, reverts, folds.version)
    folds.history = refolded.take_over(snapshot_writer)
    return Visibility(reverts)


def _stands(folds: Folds, standing: Visibility | None) -> bool:
    """Whether all that was folded is said now as it was said there: else it is no place to go on from."""
    if standing is None:
        return True
    return standing.reverts.differs_at(folds.summary.reverts, folds.version) is None
