"""Reading: a checked replay beside a careless one, a verification beside the bare checksum, pages."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from zlib import crc32

from bench.orders import AT_US, Fold, decode, placed
from bench.scale import scaled
from bench.table import Table, at_median, rate, us
from codexd_eventstore.operations.jsonl import JsonlStore

EVENTS = scaled(100_000, 400)
# Most appends have one event or two, and only those that are not their append's last say so.
APPEND = 2
ROUNDS = scaled(7, 1)


async def run(table: Table, store: JsonlStore, folder: Path) -> None:
    """All rows about reading. Makes the stream `long`, which others use too."""
    for start in range(0, EVENTS, APPEND):
        events = [placed(number) for number in range(start, start + APPEND)]
        await store.append("long", events, expected_version=start, at_us=AT_US, durable=False)
    await replay(table, store)
    await verify(table, store)
    await pages(table, store)


async def replay(table: Table, store: JsonlStore) -> None:
    """Every record read, checked, decoded and folded; beside it line by line without a check."""
    path = Path((await store.head("long")).path or "")
    ratios, ours, theirs = [], [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        fold = carelessly(path)
        careless = time.perf_counter() - start
        start = time.perf_counter()
        checked = Fold()
        after = 0
        while after < EVENTS:
            page = await store.read("long", after=after)
            for record in page:
                checked.apply(decode(record.line))
            after = page[-1].seq
        took = time.perf_counter() - start
        assert (checked.count, checked.characters) == (fold.count, fold.characters)
        ratios.append(careless / took)
        ours.append(took)
        theirs.append(careless)
    ratio, each = median(ratios), median(ours)
    table.add(
        "replay, every record checked, decoded and folded",
        rate(EVENTS, each),
        f"line by line, unchecked {rate(EVENTS, median(theirs))}",
        found=f"{ratio:.2f} of it",
        asked="≥ 0.55",
        holds=ratio >= 0.55,
    )
    table.add(
        "… as a figure",
        rate(EVENTS, each),
        asked="≥ 300,000/s",
        holds=EVENTS / each >= 300_000,
    )


def carelessly(path: Path) -> Fold:
    """A fold of a file that nobody checked."""
    fold = Fold()
    with path.open("rb") as lines:
        for line in lines:
            fold.apply(decode(line))
    return fold


async def verify(table: Table, store: JsonlStore) -> None:
    """The whole chain, beside crc32 over the same bytes in memory."""
    content = content_of((await store.head("long")).path)
    bare = at_median(lambda: crc32(content), ROUNDS)
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        verdict = await store.verify("long")
        took.append(time.perf_counter() - start)
        assert verdict.damage is None
    each = median(took)
    table.add(
        "verify a whole log",
        rate(EVENTS, each),
        f"crc32 alone {rate(EVENTS, bare)}",
        found=f"{bare / each:.2f} of it",
        asked="≥ 700,000/s",
        holds=EVENTS / each >= 700_000,
    )


def content_of(path: str | None) -> bytes:
    """A log's file, whole."""
    assert path is not None
    return Path(path).read_bytes()


async def pages(table: Table, store: JsonlStore) -> None:
    """A page of 50 records somewhere in a log that is open."""
    took = []
    for number in range(scaled(200, 5)):
        start = time.perf_counter()
        await store.read("long", after=(number * 7919) % (EVENTS - 50), limit=50)
        took.append(time.perf_counter() - start)
    table.add("a page of 50 records, anywhere", us(median(took)))
