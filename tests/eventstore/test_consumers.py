"""A consumer gets every record at least once, in order within a stream, over any failures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from codexd_eventstore.consumers import FIRST_PAUSE_S, LONGEST_PAUSE_S, Consumer
from codexd_eventstore.store import EventStore, Record
from store_engines import NOON_US, Engine, append, jsonl, log_path, memory, placed, put
from trio_test import trio_test

every_engine = pytest.mark.parametrize("engine", [jsonl, memory])


class Reader:
    """Somebody who writes down what is handed over."""

    def __init__(self) -> None:
        self.got: dict[str, list[int]] = {}
        self.failing: set[str] = set()
        self.calls: list[tuple[str, float]] = []
        self.dies_behind: int | None = None

    async def handle(self, stream: str, records: Sequence[Record]) -> None:
        """Take some records."""
        self.calls.append((stream, trio.current_time()))
        if stream in self.failing:
            raise ValueError(stream)
        self.got.setdefault(stream, []).extend([record.seq for record in records])
        if self.dies_behind is not None and records[-1].seq >= self.dies_behind:
            raise Died


class Died(BaseException):
    """The process was killed between the handling and the checkpoint."""


async def consume_until(store: EventStore, reader: Reader, got: dict[str, list[int]]) -> None:
    """Let a consumer run until this was handed over."""
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Consumer(store, "reader", reader.handle).run)
            while reader.got != got:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


@every_engine
@trio_test
async def test_it_catches_up_with_all_streams_and_follows_them(
    engine: Engine, tmp_path: Path
) -> None:
    reader = Reader()
    async with engine(tmp_path) as store, trio.open_nursery() as nursery:
        await append(store, "a", 0, placed(1), placed(2))
        await append(store, "old", 0)
        await store.archive("old")
        nursery.start_soon(Consumer(store, "reader", reader.handle).run)
        with trio.fail_after(5):
            while reader.got != {"a": [1, 2], "old": [1]}:
                await trio.lowlevel.checkpoint()
            await append(store, "a", 2)
            await store.fork("a", 2, "b", [placed(3), placed(4)], at_us=NOON_US)
            while reader.got != {"a": [1, 2, 3], "old": [1], "b": [3, 4]}:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


@trio_test
async def test_it_continues_where_it_was_after_a_restart(tmp_path: Path) -> None:
    first, second, third = Reader(), Reader(), Reader()
    async with jsonl(tmp_path) as store:
        await append(store, "a", 0)
        await append(store, "b", 0)
        await consume_until(store, first, {"a": [1], "b": [1]})
        await append(store, "a", 1)
    async with jsonl(tmp_path) as store:
        await consume_until(store, second, {"a": [2]})
        await append(store, "c", 0)
    async with jsonl(tmp_path) as store:
        await consume_until(store, third, {"c": [1]})


@trio_test
async def test_records_that_were_handled_and_not_noted_come_again(tmp_path: Path) -> None:
    reader = Reader()
    reader.dies_behind = 2
    async with jsonl(tmp_path) as store:
        await append(store, "a", 0)
        await consume_until(store, reader, {"a": [1]})
        await append(store, "a", 1)
        with pytest.raises(BaseExceptionGroup) as caught:
            await consume_until(store, reader, {})
        assert caught.group_contains(Died)
    reader.dies_behind = None
    async with jsonl(tmp_path) as store:
        await append(store, "a", 2)
        await consume_until(store, reader, {"a": [1, 2, 2, 3]})


@trio_test
async def test_everything_comes_again_when_the_notes_are_lost(tmp_path: Path) -> None:
    reader = Reader()
    async with jsonl(tmp_path) as store:
        await append(store, "a", 0)
        await consume_until(store, reader, {"a": [1]})
    for path in list((tmp_path / "state").iterdir()):
        path.unlink()
    async with jsonl(tmp_path) as store:
        await consume_until(store, reader, {"a": [1, 1]})


@trio_test(autojump=True)
async def test_a_handler_that_raises_is_called_again_later_and_others_continue(
    tmp_path: Path,
) -> None:
    reader = Reader()
    reader.failing = {"bad"}
    async with memory(tmp_path) as store, trio.open_nursery() as nursery:
        await append(store, "bad", 0)
        await append(store, "good", 0)
        began = trio.current_time()
        nursery.start_soon(Consumer(store, "reader", reader.handle).run)
        await trio.sleep(FIRST_PAUSE_S * 7.5)
        await append(store, "good", 1)
        await append(store, "bad", 1)
        await trio.sleep(0.01)
        assert reader.got == {"good": [1, 2]}
        tries = [at - began for stream, at in reader.calls if stream == "bad"]
        assert tries == pytest.approx([FIRST_PAUSE_S * n for n in (0, 1, 3, 7)])
        reader.failing = set()
        await trio.sleep(LONGEST_PAUSE_S)
        assert reader.got == {"good": [1, 2], "bad": [1, 2]}
        nursery.cancel_scope.cancel()


@trio_test
async def test_a_stream_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    reader = Reader()
    async with jsonl(tmp_path) as store:
        for stream in ("a", "b"):
            await append(store, stream, 0, durable=True)
            await append(store, stream, 1, durable=True)
        path = await log_path(store, "a")
    put(path, b"x" + path.read_bytes()[1:])
    async with jsonl(tmp_path) as store:
        await consume_until(store, reader, {"b": [1, 2]})


@trio_test
async def test_numbers_that_are_given_again_after_a_power_cut_are_handled(tmp_path: Path) -> None:
    reader = Reader()
    async with jsonl(tmp_path) as store:
        await append(store, "a", 0, durable=True)
        await store.set_checkpoint("reader", "a", 3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Consumer(store, "reader", reader.handle).run)
            with trio.fail_after(10):
                while await store.checkpoint("reader", "a") != 1:
                    await trio.lowlevel.checkpoint()
                await append(store, "a", 1)
                while reader.got != {"a": [2]}:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


@trio_test
async def test_a_consumer_that_begins_at_a_time_gets_nothing_from_before(tmp_path: Path) -> None:
    reader = Reader()
    async with jsonl(tmp_path) as store, trio.open_nursery() as nursery:
        await append(store, "old", 0)
        await append(store, "both", 0)
        await append(store, "both", 1, at_us=NOON_US + 1)
        await append(store, "both", 2, at_us=NOON_US + 2)
        consumer = Consumer(store, "reader", reader.handle, since_us=NOON_US + 1)
        nursery.start_soon(consumer.run)
        with trio.fail_after(5):
            await append(store, "new", 0, at_us=NOON_US + 3)
            await append(store, "old", 1, at_us=NOON_US + 4)
            while reader.got != {"both": [2, 3], "new": [1], "old": [2]}:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


@trio_test
async def test_it_passes_over_what_one_of_its_name_left_from_before_its_beginning(
    tmp_path: Path,
) -> None:
    reader = Reader()
    async with memory(tmp_path) as store, trio.open_nursery() as nursery:
        for number in range(4):
            await append(store, "a", number, at_us=NOON_US + number)
        await store.set_checkpoint("reader", "a", 1)
        consumer = Consumer(store, "reader", reader.handle, since_us=NOON_US + 2)
        nursery.start_soon(consumer.run)
        with trio.fail_after(5):
            await consumer.wait_idle()
        assert reader.got == {"a": [3, 4]}
        assert await store.checkpoint("reader", "a") == 4
        nursery.cancel_scope.cancel()


@trio_test(autojump=True)
async def test_changes_are_gathered_unless_somebody_waits_for_their_end(tmp_path: Path) -> None:
    reader = Reader()
    async with memory(tmp_path) as store, trio.open_nursery() as nursery:
        consumer = Consumer(store, "reader", reader.handle, gather_s=1.0)
        began = trio.current_time()
        nursery.start_soon(consumer.run)
        await trio.sleep(0.5)
        for number in range(4):
            await append(store, "a", number)
            await trio.sleep(0.1)
        await trio.sleep(2)
        assert [round(at - began, 1) for _, at in reader.calls] == [0.5, 1.5]
        assert reader.got == {"a": [1, 2, 3, 4]}
        await append(store, "a", 4)
        await trio.sleep(0.1)
        await append(store, "a", 5)
        await consumer.wait_idle()
        assert round(trio.current_time() - began, 1) == 3.0
        assert reader.got == {"a": [1, 2, 3, 4, 5, 6]}
        nursery.cancel_scope.cancel()
