"""Opening and forking: what they cost at any length of the log, cold and warm."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import trio

from bench import bare
from bench.orders import AT_US, EVENT, placed
from bench.scale import scaled
from bench.table import Table, us
from codexd_eventstore.operations.jsonl import JsonlStore

LENGTHS = (1_000, scaled(10_000, 2_000), scaled(100_000, 3_000), scaled(1_000_000, 4_000))
ROUNDS = scaled(40, 2)
# Events of one append: the middle of the shortest log is the end of one, and can be forked at.
APPEND = 500


async def run(table: Table, store: JsonlStore, folder: Path) -> None:
    """All rows about opening. The longest log is about 670 MB."""
    events = [placed(number) for number in range(APPEND)]
    for length in LENGTHS:
        for start in range(0, length, APPEND):
            await store.append(
                f"of-{length}", events, expected_version=start, at_us=AT_US, durable=False
            )
        await store.append(
            f"of-{length}", [EVENT], expected_version=length, at_us=AT_US, durable=True
        )
    await tails(table, store)
    await forks(table, store, folder)


async def tails(table: Table, store: JsonlStore) -> None:
    """A stream opened and its last 100 records read."""
    warm = {length: await opened(store, f"of-{length}", cold=False) for length in LENGTHS}
    cold = {length: await opened(store, f"of-{length}", cold=True) for length in LENGTHS}
    for what, took, demand in (("warm", warm, 0.002), ("cold", cold, 0.005)):
        longest = took[LENGTHS[-1]]
        table.add(
            f"open 1,000,000 events and read the last 100, {what}",
            us(longest),
            asked=f"< {demand * 1000:.0f} ms",
            holds=longest < demand,
        )
        flat = longest / took[LENGTHS[1]]
        table.add(
            f"… beside a log of 10,000, {what}",
            us(longest),
            us(took[LENGTHS[1]]),
            found=f"{flat:.2f}x",
            asked="≤ 1.5x",
            holds=flat <= 1.5,
        )


async def opened(store: JsonlStore, stream: str, *, cold: bool) -> float:
    """The median of opening it, in seconds; cold: what the kernel keeps of the file is dropped first."""
    path = Path((await store.head(stream)).path or "")
    took = []
    for _ in range(ROUNDS):
        store.close(stream)
        if cold:
            forget(path)
        start = time.perf_counter()
        version = (await store.head(stream)).version
        await store.read(stream, after=version - 100)
        took.append(time.perf_counter() - start)
    return median(took)


def forget(path: Path) -> None:
    """Have the kernel drop its pages of a file."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


async def forks(table: Table, store: JsonlStore, folder: Path) -> None:
    """A fork in the middle of each, in turn with the bare calls so that all meet the same disk."""
    # The disk may still be busy with the long log: a fork is not to pay for that.
    await trio.to_thread.run_sync(os.sync)
    raws: list[float] = []
    took: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for number in range(ROUNDS):
        raws += bare.new_files(folder, range(number, number + 1))
        for length in LENGTHS:
            start = time.perf_counter()
            await store.fork(
                f"of-{length}", length // 2, f"fork-{length}-{number}", [EVENT], at_us=AT_US
            )
            took[length].append(time.perf_counter() - start)
    raw, shortest, longest = (
        median(times) for times in (raws, took[LENGTHS[0]], took[LENGTHS[-1]])
    )
    table.add(
        "a fork of 1,000,000 events",
        us(longest),
        f"create, write, 2 syncs {us(raw)}",
        found=f"{longest / raw:.2f}x",
        asked="≤ 1.5x",
        holds=longest / raw <= 1.5,
    )
    table.add(
        "… beside one of 1,000",
        us(longest),
        us(shortest),
        found=f"{longest / shortest:.2f}x",
        asked="≤ 1.5x",
        holds=longest / shortest <= 1.5,
    )
