"""Cancelled at any checkpoint, a call has been done whole or not at all, and the next one finds the store in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore, NotFound
from simulated_files import SimulatedFileSystem
from store_engines import NOON_US, append, numbers, placed
from trio_test import trio_test

DATA, STATE = "/disk/data", "/disk/state"

Doing = Callable[[EventStore], Awaitable[object]]

CALLS: dict[str, Doing] = {
    "append": lambda store: append(store, "a", 2, placed(3), placed(4), durable=True, key="k"),
    "first append": lambda store: append(store, "new", 0, placed(1), placed(2), durable=True),
    "fork": lambda store: store.fork("a", 2, "new", [placed(3), placed(4)], at_us=NOON_US),
    "archive": lambda store: store.archive("a"),
    "unarchive": lambda store: store.unarchive("old"),
    "delete": lambda store: store.delete("b"),
    "blob": lambda store: store.put_blob(b"some bytes"),
    "read": lambda store: store.read("a"),
}


class CancelAfter(trio.abc.Instrument):
    """Cancels a scope when its task is about to go on for the n-th time."""

    def __init__(self, scope: trio.CancelScope, nth: int) -> None:
        self.left = nth
        self.reached = False
        self._scope = scope
        self._task = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count, and cancel."""
        if task is self._task:
            self.left -= 1
            if self.left == 0:
                self.reached = True
                self._scope.cancel()


async def cancelled_at(nth: int, call: Doing, store: EventStore) -> bool:
    """Make the call and cancel it at its n-th checkpoint; whether it got that far."""
    with trio.CancelScope() as scope:
        if nth == 0:
            scope.cancel()
            await call(store)
            return True
        instrument = CancelAfter(scope, nth)
        trio.lowlevel.add_instrument(instrument)
        try:
            await call(store)
        finally:
            trio.lowlevel.remove_instrument(instrument)
        return instrument.reached
    return True


async def check(store: EventStore) -> None:
    """Every stream is whole, goes on, and can be moved."""
    for name, sizes in {"a": (2, 4), "b": (1,), "old": (1,), "new": (2, 4)}.items():
        try:
            head = await store.head(name)
        except NotFound:
            assert name in {"b", "new"}
            continue
        assert head.version in sizes, f"{name}: half an append is there"
        assert numbers(await store.read(name)) == [(n, n) for n in range(1, head.version + 1)]
        await store.archive(name)
        await store.unarchive(name)
        await append(store, name, head.version, durable=True)
        assert (await store.verify(name)).damage is None


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
@trio_test
async def test_it_was_done_or_it_was_not(call: str) -> None:
    nth, reached = 0, True
    while reached:
        files = SimulatedFileSystem()
        async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
            await append(store, "a", 0, placed(1), placed(2), durable=True)
            for stream in ("b", "old"):
                await append(store, stream, 0, durable=True)
            await store.archive("old")
            reached = await cancelled_at(nth, CALLS[call], store)
            with trio.fail_after(10):
                await check(store)
        async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
            for row in await store.streams():
                assert (await store.verify(row.stream)).damage is None
        nth += 1
    assert nth > 1
    print(f"cancelling: {call}: at each of {nth - 1} checkpoints")
