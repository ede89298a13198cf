"""Appending: what a durable and an ordered append cost beside the bare calls, alone, in batches and many at once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from operator import truediv
from pathlib import Path
from statistics import mean, median

import trio

from bench import bare, fed
from bench.orders import AT_US, EVENT, TEXT, Placed, Whole, encode, placed
from bench.scale import scaled
from bench.table import Table, at_median, rate, us
from codexd_eventstore.format.lines import frame
from codexd_eventstore.operations.jsonl import JsonlStore
from codexd_eventstore.store import NewEvent, Record

ROUNDS = scaled(300, 10)
REPEATS = scaled(9, 1)


async def timed(call: Callable[[int], Awaitable[object]], numbers: range) -> list[float]:
    """What each call took, in seconds; it gets the number of the round."""
    took = []
    for number in numbers:
        start = time.perf_counter()
        await call(number)
        took.append(time.perf_counter() - start)
    return took


async def run(table: Table, store: JsonlStore, folder: Path) -> None:
    """All rows about appending."""
    framing(table)
    await alone(table, store, folder)
    await ordered(table, store, folder)
    for batch in (10, 150, 1000):
        await batches(table, store, folder, batch)
    await fed.run(table, folder)
    await window(table, store, folder)
    await many(table, store, folder)
    await new_streams(table, store, folder)


def framing(table: Table) -> None:
    """Events to finished lines, beside msgspec's encoding of the same lines without a checksum."""
    data = Placed(1, TEXT)
    at = datetime.fromtimestamp(AT_US / 1e6, UTC)

    def whole() -> list[bytes]:
        return [encode(Whole(7, at, "order.placed", "ann", data)) for _ in range(1000)]

    def framed(burst: int) -> list[list[Record]]:
        return [
            frame([event_of(data) for _ in range(burst)], after=7, chain=9, at_us=AT_US)
            for _ in range(1000 // burst)
        ]

    for burst, what in ((1, "alone"), (20, "of 20")):
        references, took = [], []
        for _ in range(scaled(50, 1)):
            references.append(cpu_of(whole) / 1000)
            took.append(cpu_of(partial(framed, burst)) / 1000)
        median_, reference = median(took), median(references)
        table.add(
            f"encode and frame an event of 650 B, {what}",
            us(median_),
            f"msgspec, the line {us(reference)}",
            found=f"{median_ / reference:.1f}x",
            asked="≤ 2.0x",
            holds=median_ / reference <= 2,
        )


def cpu_of(call: Callable[[], object]) -> float:
    """What a call that waits for nothing costs this thread, in seconds, whatever else the machine does."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def event_of(data: Placed) -> NewEvent:
    """The event encoded anew: that is part of the price."""
    return NewEvent("order.placed", encode(data), members=b'"by":"ann"')


async def alone(table: Table, store: JsonlStore, folder: Path) -> None:
    """One durable append after another, in turn with the bare calls so that both meet the same disk."""
    ours, theirs, hops = [], [], []
    await store.append("alone", [EVENT], expected_version=0, at_us=AT_US, durable=True)
    version = 1

    async def once(_: int) -> None:
        nonlocal version
        await store.append("alone", [EVENT], expected_version=version, at_us=AT_US, durable=True)
        version += 1

    for _ in range(scaled(20, 1)):
        theirs += bare.durable_appends(folder, 1, ROUNDS // 10)
        ours += await timed(once, range(ROUNDS // 10))
        hops += await bare.through_a_thread(folder, ROUNDS // 10)
    daemon, raw, hop = median(ours), median(theirs), median(hops)
    table.add(
        "one durable append, alone",
        us(daemon),
        f"write + fdatasync {us(raw)}",
        found=f"{(daemon - raw) * 1e6:+.0f} µs",
        asked="≤ +150 µs",
        holds=daemon - raw <= 150e-6,
    )
    table.add(
        "… beside a thread that does those calls only",
        us(daemon),
        f"{us(hop)}, raw {(hop - raw) * 1e6:+.0f}",
        found=f"{(daemon - hop) * 1e6:+.0f} µs",
    )
    # Not in turn with the bare calls: these would sync what SQLite leaves to the file system.
    ours, rows = [], []
    for _ in range(scaled(10, 1)):
        ours += await timed(once, range(ROUNDS // 10))
        rows += bare.sqlite_appends(folder, 1, ROUNDS // 10)
    daemon, sqlite = median(ours), median(rows)
    table.add(
        "… beside one row in SQLite, synchronous=FULL",
        us(daemon),
        f"{us(sqlite)}",
        found=f"{sqlite / daemon:.2f} of it",
        asked="≥ 0.55",
        holds=sqlite / daemon >= 0.55,
    )


async def ordered(table: Table, store: JsonlStore, folder: Path) -> None:
    """One ordered append after another: what has no wait for the disk."""
    version = 0
    raw = bare.plain_writes(folder, ROUNDS * 3)

    async def once(_: int) -> None:
        nonlocal version
        await store.append("ordered", [EVENT], expected_version=version, at_us=AT_US, durable=False)
        version += 1

    daemon_median = median(await timed(once, range(ROUNDS * 3)))
    table.add(
        "one ordered append",
        us(daemon_median),
        f"write of a line {us(raw)}",
        found=f"{(daemon_median - raw) * 1e6:+.0f} µs",
    )


async def batches(table: Table, store: JsonlStore, folder: Path, batch: int) -> None:
    """Durable appends of so many events, two at a time: one is on the disk while the next is framed."""
    rounds = scaled(max(20, 5000 // batch), 2)
    took, raws = [], []
    for attempt in range(REPEATS):
        # The mean, as ours is: a disk has slow syncs for both.
        raws.append(mean(bare.durable_appends(folder, batch, rounds)))
        took.append(await in_turn(store, f"batch-{batch}-{attempt}", 2, batch, rounds // 2) * batch)
    ratio = median(map(truediv, raws, took))
    table.add(
        f"durable appends of {batch} events",
        rate(batch, median(took)),
        f"raw {rate(batch, median(raws))}",
        found=f"{ratio:.2f} of raw",
        asked="≥ 0.3",
        holds=ratio >= 0.3,
    )
    await beside_sqlite(table, store, folder, batch, rounds)


async def beside_sqlite(
    table: Table, store: JsonlStore, folder: Path, batch: int, rounds: int
) -> None:
    """The same appends, in turn with transactions of as many rows."""
    took, rows = [], []
    for attempt in range(REPEATS):
        rows.append(mean(bare.sqlite_appends(folder, batch, rounds)))
        took.append(await in_turn(store, f"rows-{batch}-{attempt}", 2, batch, rounds // 2) * batch)
    beside = median(map(truediv, rows, took))
    table.add(
        "… beside as many rows in SQLite, synchronous=FULL",
        rate(batch, median(took)),
        rate(batch, median(rows)),
        found=f"{beside:.2f} of it",
        asked="≥ 1.0" if batch > 10 else "",
        holds=beside >= 1 if batch > 10 else None,
    )


async def in_turn(store: JsonlStore, stream: str, producers: int, burst: int, rounds: int) -> float:
    """Seconds an event, for so many producers that append to one stream again and again."""
    events = [placed(number) for number in range(burst)]
    # There before the clock starts: the first appends would wait for its file, and not in their order.
    await store.append(stream, [EVENT], expected_version=0, at_us=AT_US, durable=True)
    version = 1

    async def produce() -> None:
        nonlocal version
        for _ in range(rounds):
            # Between these lines and the accepting of the append lies no checkpoint.
            expected, version = version, version + burst
            await store.append(stream, events, expected_version=expected, at_us=AT_US, durable=True)

    start = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(producers):
            nursery.start_soon(produce)
    return (time.perf_counter() - start) / (producers * burst * rounds)


async def window(table: Table, store: JsonlStore, folder: Path) -> None:
    """4,100 events under way at any time; the sum of framing and disk stands beside it."""
    producers, burst, rounds = 205, 20, scaled(12, 1)
    events = [placed(number) for number in range(burst)]
    sums, raws, took = [], [], []
    for attempt in range(scaled(5, 1)):
        raw = mean(bare.durable_appends(folder, producers * burst, rounds)) / (producers * burst)
        framed = at_median(lambda: frame(events, after=7, chain=9, at_us=AT_US), ROUNDS) / burst
        took.append(await in_turn(store, f"window-{attempt}", producers, burst, rounds))
        sums.append((framed + raw) / took[-1])
        raws.append(raw / took[-1])
    ratio = median(sums)
    table.add(
        "4,100 events under way, in appends of 20",
        rate(1, median(took)),
        f"frame + raw, {median(raws):.2f} of raw",
        found=f"{ratio:.2f} of it",
        asked="≥ 0.8",
        holds=ratio >= 0.8,
    )


async def many(table: Table, store: JsonlStore, folder: Path) -> None:
    """64 streams, each with one durable append after another."""
    rounds, files = scaled(20, 1), 64
    ratios, rates = [], []
    for attempt in range(scaled(7, 1)):
        raw = bare.many_files(folder, files, rounds)
        # The files are there before the clock starts, as the bare ones are.
        for number in range(files):
            await store.append(
                f"busy-{attempt}-{number}", [EVENT], expected_version=0, at_us=AT_US, durable=True
            )
        start = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number in range(files):
                nursery.start_soon(_continue, store, f"busy-{attempt}-{number}", rounds)
        took = time.perf_counter() - start
        ratios.append(raw / took)
        rates.append(files * rounds / took)
    ratio = median(ratios)
    table.add(
        "64 streams busy, one durable append after another",
        f"{median(rates):,.0f}/s",
        "16 threads on 64 bare files",
        found=f"{ratio:.2f} of raw",
        asked="≥ 0.7",
        holds=ratio >= 0.7,
    )


async def _continue(store: JsonlStore, stream: str, rounds: int) -> None:
    for number in range(1, rounds + 1):
        await store.append(stream, [EVENT], expected_version=number, at_us=AT_US, durable=True)


async def new_streams(table: Table, store: JsonlStore, folder: Path) -> None:
    """A stream that comes to be by its first append."""
    ours, theirs = [], []

    async def once(number: int) -> None:
        await store.append(f"new-{number}", [EVENT], expected_version=0, at_us=AT_US, durable=True)

    for first in range(0, ROUNDS, ROUNDS // 10):
        numbers = range(first, first + ROUNDS // 10)
        theirs += bare.new_files(folder, numbers)
        ours += await timed(once, numbers)
    daemon, raw = median(ours), median(theirs)
    table.add(
        "a new stream",
        us(daemon),
        f"create, write, 2 syncs {us(raw)}",
        found=f"{daemon / raw:.2f}x",
        asked="≤ 1.5x",
        holds=daemon / raw <= 1.5,
    )
