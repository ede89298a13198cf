"""What the store costs beside the bare system calls, in one run: `python tests/bench/bench_store.py [FOLDER]`.

Every figure is a ratio or an added time, because disks differ a hundredfold; nothing here is asserted. The
folder must lie on the disk that is meant, which a temporary folder often does not.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import trio

from codexd_eventstore.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.store import NewEvent

EVENT = NewEvent("order.placed", b'{"text":"%b"}' % (b"x" * 500), members=b'"by":"ann"')
AT_US = 1_795_230_000_000_000
ROUNDS = 300


def raw_append(folder: Path) -> float:
    """The median of one write and fdatasync, in µs."""
    fd = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    line = b"x" * 600 + b"\n"

    def once() -> None:
        os.write(fd, line)
        os.fdatasync(fd)

    took = median([clocked(once) for _ in range(ROUNDS)])
    os.close(fd)
    return took


def raw_create(folder: Path) -> float:
    """The median of create, write, fdatasync and fsync of the folder, in µs."""
    above = os.open(folder, os.O_RDONLY)
    took = []
    for number in range(ROUNDS // 3):
        start = time.perf_counter()
        fd = os.open(folder / f"raw-{number}", os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(fd, b"x" * 600)
        os.fdatasync(fd)
        os.fsync(above)
        took.append((time.perf_counter() - start) * 1e6)
        os.close(fd)
    os.close(above)
    return median(took)


def clocked(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


async def timed(call: Callable[[int], Awaitable[object]], rounds: int = ROUNDS) -> float:
    """The median of a call in µs; it gets the number of the round."""
    took = []
    for number in range(rounds):
        start = time.perf_counter()
        await call(number)
        took.append((time.perf_counter() - start) * 1e6)
    return median(took)


def show(what: str, us: float, raw: float | None = None) -> None:
    beside = "" if raw is None else f"   raw {raw:7.1f} µs   {us / raw:5.2f}x   {us - raw:+.0f} µs"
    sys.stdout.write(f"{what:46}{us:9.1f} µs{beside}\n")


async def measure(store: JsonlStore, folder: Path) -> None:
    async def append(stream: str, expected: int, durable: bool, count: int = 1) -> None:
        await store.append(
            stream, [EVENT] * count, expected_version=expected, at_us=AT_US, durable=durable
        )

    raw, created = raw_append(folder), raw_create(folder)
    await append("one", 0, True)
    one = await timed(lambda n: append("one", n + 1, True))
    show("one durable append, alone", one, raw)
    show("one ordered append", await timed(lambda n: append("one", n + ROUNDS + 1, False)))
    new = await timed(lambda n: append(f"new-{n}", 0, True), ROUNDS // 3)
    show("a new stream", new, created)
    await measure_replay(store, append)

    async def fork(number: int) -> None:
        await store.fork("long", 90_000, f"fork-{number}", [EVENT], at_us=AT_US)

    show("a fork at 90,000 of 100,000", await timed(fork, ROUNDS // 3), created)
    await measure_many(append, raw)

    async def draft(number: int) -> None:
        store.open_draft("one", f"item-{number}", b"{}")

    show("a new draft", await timed(draft))
    open_draft = store.open_draft("one", "item", b"{}")

    async def grow(_: int) -> None:
        open_draft.append(b"some words")

    show("an append to a draft", await timed(grow))


async def measure_replay(
    store: JsonlStore, append: Callable[[str, int, bool, int], Awaitable[None]]
) -> None:
    for start in range(0, 100_000, 1000):
        await append("long", start, False, 1000)
    start_s = time.perf_counter()
    after = 0
    while records := await store.read("long", after=after):
        after = records[-1].seq
    rate = after / (time.perf_counter() - start_s)
    sys.stdout.write(f"{'checked replay':46}{rate:9.0f} records/s\n")
    await store.append("long", [EVENT], expected_version=100_000, at_us=AT_US, durable=True)
    store.close("long")
    start_s = time.perf_counter()
    await store.head("long")
    rate = after / (time.perf_counter() - start_s)
    sys.stdout.write(f"{'opening a log of 100,000':46}{rate:9.0f} records/s\n")


async def measure_many(
    append: Callable[[str, int, bool, int], Awaitable[None]], raw: float
) -> None:
    """64 streams, each with one durable append after another."""
    rounds = 20

    async def write(stream: str) -> None:
        for number in range(rounds):
            await append(stream, number, True, 1)

    start = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(write, f"busy-{number}")
    each = (time.perf_counter() - start) * 1e6 / (64 * rounds)
    show("a durable append, 64 streams at once", each, raw)


async def main(folder: Path) -> None:
    async with open_jsonl_store(folder / "home", state_dir=folder / "state") as store:
        await measure(store, folder)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".") as made:
        trio.run(main, Path(made))
