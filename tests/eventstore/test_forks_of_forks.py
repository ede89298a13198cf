"""Forks of forks: a fork reads as its parent did up to the fork point, with any number of ancestors."""

from __future__ import annotations

import itertools
import os

import pytest

from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore, Refused
from simulated_files import SimulatedFileSystem
from store_engines import NOON_US, append, numbers, placed
from trio_test import trio_test

DATA, STATE = "/disk/data", "/disk/state"
GENERATIONS = 50
NIGHTLY = "CODEXD_NIGHTLY" in os.environ


async def lines(store: EventStore, stream: str) -> list[bytes]:
    """All lines of a stream."""
    return [record.line for record in await store.read(stream)]


@trio_test
async def test_a_fork_reads_as_its_parent_did_at_any_record() -> None:
    async with open_jsonl_store(DATA, state_dir=STATE, files=SimulatedFileSystem()) as store:
        for number in range(20):
            await append(store, "x", number)
        whole = await lines(store, "x")
        for at in range(21):
            await store.fork("x", at, f"f{at}", [placed(0)], at_us=NOON_US)
        await append(store, "x", 20)
        for closed in (False, True):
            for at in range(21):
                if closed:
                    store.close(f"f{at}")
                assert (await lines(store, f"f{at}"))[:-1] == whole[:at]


@pytest.mark.slow
@trio_test
async def test_a_line_of_fifty_forks_reads_through_to_the_first() -> None:
    files = SimulatedFileSystem()
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "g0", 0, durable=True)
        for number in range(1, GENERATIONS + 1):
            events = [placed(number + 1)]
            await store.fork(f"g{number - 1}", number, f"g{number}", events, at_us=NOON_US)
            await append(store, f"g{number - 1}", number, placed(0))  # is nothing to its child
            if number % 3 == 0:
                await store.archive(f"g{number - 1}")
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        last = f"g{GENERATIONS}"
        expected = [(n, n) for n in range(1, GENERATIONS + 2)]
        assert numbers(await store.read(last)) == expected
        assert numbers(await store.read_back(last)) == expected[::-1]
        assert numbers(await store.read(last, after=30, limit=5)) == expected[30:35]
        for number in range(GENERATIONS + 1):
            assert (await store.verify(f"g{number}")).damage is None
    print(f"forks: a line of {GENERATIONS}")


@pytest.mark.slow
@trio_test
async def test_parents_go_in_any_order_but_never_from_under_their_children() -> None:
    """a ← b ← c, and d from b where b still reads a: every order of archiving and deleting them."""
    tried = 0
    for archived in list(itertools.product((False, True), repeat=4))[:: 1 if NIGHTLY else 5]:
        for order in itertools.permutations("abcd"):
            files = SimulatedFileSystem()
            async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
                await append(store, "a", 0, placed(1), placed(2))
                await append(store, "a", 2)
                await store.fork("a", 3, "b", [placed(4)], at_us=NOON_US)
                await store.fork("b", 4, "c", [placed(5)], at_us=NOON_US)
                await store.fork("b", 2, "d", [placed(3)], at_us=NOON_US)
                for stream, is_archived in zip("abcd", archived, strict=True):
                    if is_archived:
                        await store.archive(stream)
                tried += 1
                await delete_all(store, order)
    print(f"forks: {tried} orders of archiving and deleting")


async def delete_all(store: EventStore, order: tuple[str, ...]) -> None:
    """Delete in this order, again and again until all are gone; what is there reads whole."""
    parents = {"b": "a", "c": "b", "d": "b"}
    ends = {"a": 3, "b": 4, "c": 5, "d": 3}
    left = list(order)
    while left:
        for stream in list(left):
            if any(parents.get(other) == stream for other in left):
                with pytest.raises(Refused):
                    await store.delete(stream)
            else:
                await store.delete(stream)
                left.remove(stream)
            for other in left:
                store.close(other)
                expected = [(n, n) for n in range(1, ends[other] + 1)]
                assert numbers(await store.read(other)) == expected
