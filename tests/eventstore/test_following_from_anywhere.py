"""A follower from any position, begun at any moment, gets each record once and in order; a slow follower slows no other."""

from __future__ import annotations

import os
import random
import tracemalloc
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore
from simulated_files import SimulatedFileSystem
from store_engines import FastFiles, append, numbers, placed
from trio_test import trio_test

NIGHTLY = "CODEXD_NIGHTLY" in os.environ
FOLLOWERS = 100_000 if NIGHTLY else 2_000
# Streams end here, so that the next one begins from nothing.
RECORDS = 40
TOGETHER = 20

SLOW_RECORDS = 1_000_000 if NIGHTLY else 20_000
SLOW_APPEND = 100
GROWTH_BYTES_MAX = 16 * 1024 * 1024

DATA, STATE = "/disk/data", "/disk/state"


async def follow(store: EventStore, stream: str, after: int, pauses: random.Random) -> None:
    """From a position to the end, with pauses."""
    got: list[tuple[int, int]] = []
    with store.subscribe(stream, after=after) as subscription:
        while subscription.position < RECORDS:
            got += numbers(await subscription.receive())
            for _ in range(pauses.randrange(4)):
                await trio.lowlevel.checkpoint()
    assert got == [(seq, seq) for seq in range(after + 1, RECORDS + 1)]


async def write(store: EventStore, stream: str, dice: random.Random) -> None:
    """The rest of a stream, in appends of any size, durable or not, forgotten in between."""
    version = 1
    while version < RECORDS:
        count = min(dice.randrange(1, 5), RECORDS - version)
        events = [placed(version + n) for n in range(1, count + 1)]
        await append(store, stream, version, *events, durable=dice.random() < 0.2)
        version += count
        if dice.random() < 0.1:
            store.close(stream)
        for _ in range(dice.randrange(3)):
            await trio.lowlevel.checkpoint()


@pytest.mark.slow
@trio_test
async def test_every_follower_gets_the_rest_once_and_in_order() -> None:
    dice = random.Random(20261121)
    async with open_jsonl_store(DATA, state_dir=STATE, files=SimulatedFileSystem()) as store:
        for number in range(FOLLOWERS // TOGETHER):
            stream = f"s{number}"
            await append(store, stream, 0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write, store, stream, dice)
                for _ in range(TOGETHER):
                    for _ in range(dice.randrange(4)):
                        await trio.lowlevel.checkpoint()
                    after = dice.randrange((await store.head(stream)).version + 1)
                    nursery.start_soon(follow, store, stream, after, dice)
            await store.delete(stream)
    print(f"seam: {FOLLOWERS} followers begun while {FOLLOWERS // TOGETHER} streams grew")


@pytest.mark.slow
@trio_test
async def test_one_slow_follower_of_a_hundred_slows_no_other(tmp_path: Path) -> None:
    """It reads a piece for each hundredth append, holds no more than that, and gets everything in the end."""
    seen = [0] * 99

    async def keep_up(store: EventStore, place: int) -> None:
        with store.subscribe("busy", after=1) as subscription:
            while seen[place] < SLOW_RECORDS:
                seen[place] = (await subscription.receive())[-1].seq

    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        await append(store, "busy", 0)
        async with trio.open_nursery() as nursery:
            for place in range(99):
                nursery.start_soon(keep_up, store, place)
            with store.subscribe("busy") as slow:
                got = len(await slow.receive())
                tracemalloc.start()
                version, behind = 1, 0
                while version < SLOW_RECORDS:
                    count = min(SLOW_APPEND, SLOW_RECORDS - version)
                    events = [placed(version + n, 100) for n in range(1, count + 1)]
                    version = (await append(store, "busy", version, *events)).last
                    await wait_all_tasks_blocked()
                    behind = max(behind, version - min(seen))
                    if version % (100 * SLOW_APPEND) < SLOW_APPEND:
                        got += len(await slow.receive())
                grown = tracemalloc.get_traced_memory()[0]
                tracemalloc.stop()
                assert behind == 0, "somebody waited for it"
                assert grown < GROWTH_BYTES_MAX
                lag = version - slow.position
                while slow.position < SLOW_RECORDS:
                    records = await slow.receive()
                    assert records[0].seq == got + 1
                    got += len(records)
    assert got == SLOW_RECORDS
    print(f"slow follower: {lag} of {SLOW_RECORDS} records behind, {grown // 1024} KiB grown")
