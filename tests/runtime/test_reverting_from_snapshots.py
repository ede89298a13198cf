"""A revert costs a snapshot and its tail; snapshots with reverted turns wait for an undo."""

from __future__ import annotations

from itertools import pairwise

import trio

from codexd.core.events.events import (
    ThreadForked,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    Unknown,
    encode_event,
)
from codexd.core.events.history import HistoryReverted, HistoryRevertUndone
from codexd.core.events.record import Recorded
from codexd.core.values.ids import ThreadId, TurnId
from codexd.runtime.snapshots.folds import Folds
from codexd.runtime.snapshots.load import load
from codexd.runtime.snapshots.refold import evicted_items, refold
from codexd.runtime.snapshots.writer import SnapshotWriter
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import EventStore, NewEvent
from random_thread import THREAD, Play, a_long_play
from stored import write

CHILD = ThreadId("0194d2a0-0000-7000-8000-000000000002")
GAP = 50


def ends(play: Play) -> list[int]:
    """Where the turns end, the last one first."""
    kinds = (TurnCompleted, TurnInterrupted, TurnFailed)
    return [record.seq for record in reversed(play.records) if isinstance(record.event, kinds)]


async def stepped(store: EventStore, play: Play) -> tuple[SnapshotWriter, Folds]:
    """The thread as it is loaded, with a step now and then."""
    await write(store, play.records)
    snapshot_writer, folds = SnapshotWriter(store, THREAD), Folds()
    last = 0
    for record in play.records:
        folds.apply(record)
        if record.seq - last >= GAP and folds.between_turns:
            await snapshot_writer.keep(folds)
            last = record.seq
    return snapshot_writer, folds


async def restore(store: EventStore, folds: Folds, snapshot_writer: SnapshotWriter) -> None:
    """Have all items in memory."""
    if folds.history.evicted:
        items = await evicted_items(store, THREAD, folds, snapshot_writer)
        folds.history = folds.history.with_restored(items)


def back(to_seq: int) -> HistoryReverted:
    return HistoryReverted(TurnId("t"), to_seq, 1, 1)


def test_the_last_turn_is_reverted_for_a_step_and_its_tail() -> None:
    async def check() -> None:
        play, store = a_long_play(records=600), MemoryStore()
        snapshot_writer, folds = await stepped(store, play)
        version, to_seq = folds.version, ends(play)[1]
        reverts = folds.summary.reverts.after(version + 1, back(to_seq))
        refolded = await refold(store, THREAD, folds, reverts, version)
        longest_turn = max(a - b for a, b in pairwise(ends(play)))
        assert refolded.events <= GAP + 2 * longest_turn
        plain = Folds()
        for record in play.records[:to_seq]:
            plain.apply(record)
        # All items were in memory, and those that stand still are.
        assert refolded.history.items == plain.history.items
        # Where they were not, they are found.
        folds.history = folds.history.without_printed()
        folds.history = (await refold(store, THREAD, folds, reverts, version)).history
        assert folds.history.evicted
        await restore(store, folds, snapshot_writer)
        assert folds.history.items == plain.history.items
        assert refolded.window.context_tokens == plain.state.window.context_tokens

    trio.run(check)


def test_an_undo_finds_the_steps_that_were_taken_before_the_revert() -> None:
    async def check() -> None:
        play, store = a_long_play(records=600), MemoryStore()
        snapshot_writer, folds = await stepped(store, play)
        version = folds.version
        whole = Folds()
        for record in play.records:
            whole.apply(record)
        # Most of it is taken back, and a step is taken of what is left.
        first = Recorded(version + 1, 1, back(ends(play)[-2]))
        await store.append(THREAD, [new(first)], expected_version=version, at_us=1, durable=False)
        reverts = folds.summary.reverts.after(first.seq, first.event)
        folds.history = (await refold(store, THREAD, folds, reverts, version)).history
        folds.apply(first)
        await snapshot_writer.keep(folds)
        undo = HistoryRevertUndone(first.seq, 1)
        reverts = reverts.after(first.seq + 1, undo)
        folds.history = (await refold(store, THREAD, folds, reverts, first.seq)).history
        await restore(store, folds, snapshot_writer)
        assert folds.history.items == whole.history.items
        # And so does whoever opens the thread after that.
        second = Recorded(first.seq + 1, 1, undo)
        await store.append(
            THREAD, [new(second)], expected_version=first.seq, at_us=1, durable=False
        )
        again = SnapshotWriter(store, THREAD)
        loaded = await load(store, THREAD, again)
        await restore(store, loaded.folds, again)
        assert loaded.folds.history.items == whole.history.items
        # A request that follows lists what no request before it had in this order.
        printed = loaded.folds.history.print_request(b"", ())
        assert printed.kept + len(printed.added) == len(whole.history.items)

    trio.run(check)


def test_a_fork_that_has_kept_nothing_yet_goes_back_by_the_steps_of_its_parent() -> None:
    async def check() -> None:
        play, store = a_long_play(records=600), MemoryStore()
        snapshot_writer, folds = await stepped(store, play)
        version = folds.version
        forked = Recorded(version + 1, 1, ThreadForked(THREAD, version))
        await store.fork(THREAD, version, CHILD, [new(forked)], at_us=1)
        seed = snapshot_writer.seed(folds)
        assert seed is not None
        loaded = await load(store, CHILD, SnapshotWriter(store, CHILD), seed=seed)
        to_seq = ends(play)[1]
        reverts = loaded.folds.summary.reverts.after(version + 2, back(to_seq))
        refolded = await refold(store, CHILD, loaded.folds, reverts, version + 1)
        assert 0 < refolded.events < len(play.records) // 2

    trio.run(check)


def new(recorded: Recorded) -> NewEvent:
    event = recorded.event
    assert not isinstance(event, Unknown)
    return NewEvent(event.type, encode_event(event), event.v)
