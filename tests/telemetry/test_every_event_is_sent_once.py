"""From the log to the collector: nothing is lost, nothing is sent twice, and what is refused is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from google.protobuf.json_format import MessageToDict

from builders import ENDED, STARTED, begun, calling, made, queued, runs
from codexd.core.events import events as e
from codexd.core.events.events import Event
from codexd.telemetry.collectors.sender import NotTaken
from codexd.telemetry.pipeline import (
    CONVERSATIONS_MAX,
    FIRST_PAUSE_S,
    POISON_ATTEMPTS_MAX,
    Pipeline,
)
from codexd_eventstore.store import EventStore
from store_engines import jsonl, memory
from telemetry_house import NOON_MS, THREAD, Collector, pipeline_to, put
from trio_test import trio_test

FIRST: tuple[Event, ...] = (STARTED, queued(1), begun(1), calling("t1/1"), ENDED)
NEXT: tuple[Event, ...] = (made("c1"), runs("c1", "ls"), e.TurnCompleted(), queued(2))
# Numbers of the records and of their events.
FIRST_UIDS = ["1/0", "2/0", "5/0", "5/1"]
NEXT_UIDS = ["7/0", "9/0"]


@asynccontextmanager
async def running(pipeline: Pipeline) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        yield
        nursery.cancel_scope.cancel()


async def checkpointed(store: EventStore, seq: int) -> None:
    while await store.checkpoint("otel.logs", THREAD) != seq:
        await trio.lowlevel.checkpoint()


@trio_test
async def test_a_restart_sends_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    first, second = Collector(), Collector()
    async with jsonl(tmp_path) as store:
        await put(store, 0, FIRST)
        async with running(pipeline_to(first, store)):
            await checkpointed(store, len(FIRST))
            first.hangs = True  # the next are in the log and at no collector
            await put(store, len(FIRST), NEXT)
            await first.until(lambda: len(first.tries) > len(first.taken))
    assert first.uids == FIRST_UIDS
    assert first.closed == 1
    async with jsonl(tmp_path) as store, running(pipeline_to(second, store)):
        await second.until(lambda: second.count == len(NEXT_UIDS))
        await checkpointed(store, len(FIRST) + len(NEXT))
    assert second.uids == NEXT_UIDS
    # In the middle of a turn, they have what only earlier records say.
    assert {event["model"] for event in second.events} == {"m-1"}
    assert {event["originator"] for event in second.events} == {"tests"}
    assert second.events[0]["tool_name"] == "shell"


@trio_test(autojump=True)
async def test_a_collector_that_is_down_is_tried_again_later_and_later(tmp_path: Path) -> None:
    collector = Collector()
    collector.answers = [NotTaken("no"), NotTaken("no"), NotTaken("no", after_s=100), 0]
    async with memory(tmp_path) as store:
        pipeline = pipeline_to(collector, store)
        async with running(pipeline):
            await put(store, 0, FIRST[:1])
            await collector.until(lambda: pipeline.problem is not None)
            await put(store, 1, FIRST[1:])
            await collector.until(lambda: collector.count == len(FIRST_UIDS))
    assert collector.uids == FIRST_UIDS
    pauses = [after - before for before, after in pairwise(collector.tries)]
    assert pauses[0] == pytest.approx(FIRST_PAUSE_S, rel=0.25)
    assert pauses[1] == pytest.approx(2 * FIRST_PAUSE_S, rel=0.25)
    assert pauses[2] == pytest.approx(100, rel=0.01)
    assert (pipeline.sent, pipeline.dropped, pipeline.problem) == (len(FIRST_UIDS), 0, None)


@trio_test(autojump=True)
async def test_what_a_collector_refuses_is_dropped_and_counted(tmp_path: Path) -> None:
    collector = Collector()
    poison = NotTaken("it answered HTTP 500", may_be_poison=True)
    async with memory(tmp_path) as store:
        pipeline = pipeline_to(collector, store)
        async with running(pipeline):
            collector.answers = [NotTaken("it answered HTTP 400", refused=True)]
            await put(store, 0, FIRST[:1])
            await collector.until(lambda: pipeline.dropped == 1)
            collector.answers = [poison] * POISON_ATTEMPTS_MAX
            await put(store, 1, FIRST[1:2])
            await collector.until(lambda: pipeline.dropped == 2)
            collector.answers = [1]  # of two, as a partial success
            await put(store, 2, FIRST[2:])
            await collector.until(lambda: pipeline.dropped == 3)
    assert len(collector.tries) == 1 + POISON_ATTEMPTS_MAX + 1
    assert pipeline.sent == 1


@trio_test
async def test_what_was_before_telemetry_began_is_not_sent(tmp_path: Path) -> None:
    collector = Collector()
    async with memory(tmp_path) as store:
        await put(store, 0, FIRST)
        since_ms = NOON_MS + 10 * len(FIRST) + 5
        async with running(pipeline_to(collector, store, since_ms=since_ms)):
            await put(store, len(FIRST), NEXT)
            await collector.until(lambda: collector.count == len(NEXT_UIDS))
    assert collector.uids == NEXT_UIDS
    assert {event["model"] for event in collector.events} == {"m-1"}


@trio_test
async def test_a_signal_that_was_off_for_a_while_sends_nothing_of_that_time(
    tmp_path: Path,
) -> None:
    first, second = Collector(), Collector()
    async with memory(tmp_path) as store:
        await put(store, 0, FIRST[:2])
        async with running(pipeline_to(first, store)):
            await checkpointed(store, 2)
        await put(store, 2, FIRST[2:])
        since_ms = NOON_MS + 10 * len(FIRST) + 5
        async with running(pipeline_to(second, store, since_ms=since_ms)):
            await put(store, len(FIRST), NEXT)
            await second.until(lambda: second.count == len(NEXT_UIDS))
    assert (first.uids, second.uids) == (FIRST_UIDS[:2], NEXT_UIDS)


@trio_test(autojump=True)
async def test_the_end_waits_for_what_is_there_and_not_for_a_dead_collector(
    tmp_path: Path,
) -> None:
    collector = Collector()
    async with memory(tmp_path) as store:
        pipeline = pipeline_to(collector, store)
        async with running(pipeline):
            await put(store, 0, FIRST)
            await pipeline.flush()
            assert collector.uids == FIRST_UIDS
            collector.answers = [NotTaken("no")] * 1000
            await put(store, len(FIRST), NEXT)
            await collector.until(lambda: pipeline.problem is not None)
            began = trio.current_time()
            await pipeline.flush()
            assert trio.current_time() == began


@trio_test(autojump=True)
async def test_the_end_waits_no_longer_than_the_first_failure(tmp_path: Path) -> None:
    collector = Collector()
    async with memory(tmp_path) as store:
        pipeline = pipeline_to(collector, store)
        async with running(pipeline):
            collector.answers = [NotTaken("no")] * 1000
            await put(store, 0, FIRST)
            began = trio.current_time()
            await pipeline.flush()
            assert trio.current_time() == began
            assert pipeline.problem == "no"


@pytest.mark.slow
@trio_test
async def test_a_thread_that_is_not_in_memory_any_more_is_looked_at_again(tmp_path: Path) -> None:
    collector = Collector()
    async with memory(tmp_path) as store:
        threads = [f"{THREAD[:-4]}{number:04}" for number in range(CONVERSATIONS_MAX + 2)]
        async with running(pipeline_to(collector, store)):
            for thread in threads:
                await put(store, 0, (STARTED, queued(1), begun(1), made("c1")), thread=thread)
            await collector.until(lambda: collector.count == 2 * len(threads))
            for thread in (threads[0], threads[-1]):
                # The first is not in memory any more.
                await put(store, 4, (runs("c1", "ls"),), thread=thread)
            await collector.until(lambda: collector.count == 2 * len(threads) + 2)
        decisions = collector.events[-2:]
        assert [event["tool_name"] for event in decisions] == ["shell", "shell"]


@trio_test
async def test_metrics_are_totals_of_what_was_taken(tmp_path: Path) -> None:
    collector = Collector()
    async with memory(tmp_path) as store:
        pipeline = pipeline_to(collector, store, "metrics")
        async with running(pipeline):
            await put(store, 0, FIRST)
            await collector.until(lambda: pipeline.consumer.waiting == 0 and bool(collector.taken))
            await pipeline.flush()
            await put(store, 0, FIRST, thread=f"{THREAD[:-1]}2")
            await pipeline.flush()
    (resource,) = MessageToDict(collector.taken[-1])["resourceMetrics"]
    metrics = {metric["name"]: metric for metric in resource["scopeMetrics"][0]["metrics"]}
    (point,) = metrics["codex.thread.started"]["sum"]["dataPoints"]
    assert point["asInt"] == "2"
