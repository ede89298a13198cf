"""The answers about a thread that is not loaded equal a fold of its whole log, however little of it is read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.events.record import Recorded
from codexd.core.state.window import ContextWindow, fold_window
from codexd.projections.summary import Summary
from codexd.runtime.actor.lookups import LookupSource
from codexd.runtime.snapshots.load import load
from codexd.runtime.snapshots.unloaded import fill_of, summary_of
from codexd.runtime.snapshots.writer import SnapshotWriter
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import EventStore
from counting_store import CountingStore
from random_thread import THREAD, Play, played
from stored import write
from trio_test import trio_test

pytestmark = pytest.mark.slow

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=80)
LONG = 1000  # records
FEW = settings(max_examples=30, deadline=None, derandomize=True)


def whole_summary(records: Sequence[Recorded]) -> Summary:
    summary = Summary()
    for record in records:
        summary.apply(record)
    return summary


def shown(window: ContextWindow) -> tuple[int | None, int, int | None]:
    return window.limit, window.context_tokens, window.percent_left


async def shown_at(store: EventStore, version: int) -> tuple[int | None, int, int | None]:
    return shown(await fill_of(store, THREAD, version))


@FEW
@given(RUNS)
def test_how_full_its_window_is_shows_at_the_end_of_its_log(run: list[int]) -> None:
    async def main() -> None:
        play = played(run)
        store = MemoryStore()
        await write(store, play.records)
        window = ContextWindow()
        for record in play.records:
            window = fold_window(window, record.event)
            if record.seq % 5 == 0 or record.seq == len(play.records):
                assert await shown_at(store, record.seq) == shown(window)

    trio.run(main)


@FEW
@given(RUNS, st.integers(1, 150), st.integers(1, 60))
def test_the_snapshots_of_a_loaded_thread_are_gone_on_from(
    run: list[int], loaded: int, gap: int
) -> None:
    async def main() -> None:
        play = played(run)
        store = MemoryStore()
        await write(store, play.records[:loaded])
        await load(store, THREAD, SnapshotWriter(store, THREAD), events=gap)
        await write(store, play.records[loaded:])
        summary, version = whole_summary(play.records), len(play.records)
        assert await summary_of(store, THREAD, version) == summary
        window = reduce(fold_window, play.events, ContextWindow())
        assert await shown_at(store, version) == shown(window)

    trio.run(main)


def a_long_play() -> Play:
    """Some turns, with nothing open at the end and nothing taken back or shortened."""
    number, play = 7, Play(LookupSource())
    play.only_grows = True
    while len(play.records) < LONG + 200 or play.state.turn is not None or play.state.queue:
        number = number * 1_103_515_245 + 12_345 & 0x7FFFFFFF
        play.step(number >> 8)
    return play


@trio_test
async def test_a_log_that_was_loaded_is_folded_for_its_summary_from_its_snapshot_on() -> None:
    play = a_long_play()
    store = CountingStore()
    early, version = play.records[: LONG + 50], len(play.records)
    await write(store, early)
    assert await summary_of(store, THREAD, len(early)) == whole_summary(early)
    assert store.read_records == len(early)
    await load(store, THREAD, SnapshotWriter(store, THREAD), events=LONG // 2)
    await write(store, play.records[len(early) :])
    read = store.read_records
    assert await summary_of(store, THREAD, version) == whole_summary(play.records)
    assert store.read_records - read < version - LONG // 2


@trio_test
async def test_how_full_a_long_thread_is_costs_its_last_turns() -> None:
    play = a_long_play()
    store = CountingStore()
    await write(store, play.records)
    await fill_of(store, THREAD, len(play.records))
    assert store.read_records < LONG
