"""Following: catching up over a socket, a hundred followers, and how soon one hears of an append."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median

import trio
import trio.testing

from bench.orders import AT_US, EVENT, placed
from bench.scale import scaled
from bench.table import Table, rate, us
from codexd_eventstore.operations.jsonl import JsonlStore

FOLLOWERS = 100
PIECE_BYTES = 64 * 1024
ROUNDS = scaled(7, 1)


async def run(table: Table, store: JsonlStore, folder: Path) -> None:
    """All rows about following. Uses the stream `long`."""
    await catching_up(table, store)
    await fan_out(table, store)
    await hearing(table, store)


async def catching_up(table: Table, store: JsonlStore) -> None:
    """A follower's records joined and sent over a Unix socket, beside the file passed on unread."""
    head = await store.head("long")
    version, path = head.version, Path(head.path or "")

    async def bare(out: trio.SocketStream) -> None:
        for piece in pieces_of(path):
            await out.send_all(piece)

    async def ours(out: trio.SocketStream) -> None:
        with store.subscribe("long") as subscription:
            while subscription.position < version:
                records = await subscription.receive()
                await out.send_all(b"\n".join([*[record.line for record in records], b""]))

    ratios, rates = [], []
    size = sum(map(len, pieces_of(path)))
    for _ in range(ROUNDS):
        raw, took = await sent(bare, size), await sent(ours, size)
        ratios.append(raw / took)
        rates.append(version / took)
    ratio = median(ratios)
    table.add(
        "catch-up over a Unix socket",
        f"{median(rates):,.0f}/s",
        "64 KiB pieces of the file",
        found=f"{ratio:.2f} of it",
        asked="≥ 0.3",
        holds=ratio >= 0.3,
    )


def pieces_of(path: Path) -> Iterator[bytes]:
    """A file as it is, piece by piece."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


async def sent(send: Callable[[trio.SocketStream], Awaitable[None]], size: int) -> float:
    """Seconds until the other end has all of it."""
    here, there = trio.socket.socketpair()
    out, into = trio.SocketStream(here), trio.SocketStream(there)
    start = time.perf_counter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, out)
        left = size
        while left:
            left -= len(await into.receive_some(1024 * 1024))
    took = time.perf_counter() - start
    await out.aclose()
    await into.aclose()
    return took


async def fan_out(table: Table, store: JsonlStore) -> None:
    """A hundred followers of a stream that grows by pages."""
    events, rounds = [placed(number) for number in range(100)], scaled(50, 2)
    await store.append("heard", [EVENT], expected_version=0, at_us=AT_US, durable=True)
    delivered = 0
    end = 1 + len(events) * rounds
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = 0

    async def follow() -> None:
        nonlocal delivered
        with store.subscribe("heard", after=1) as subscription:
            while subscription.position < end:
                records = await subscription.receive()
                delivered += len(records)

    async with trio.open_nursery() as nursery:
        for _ in range(FOLLOWERS):
            nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        held = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        start = time.perf_counter()
        for number in range(rounds):
            await store.append(
                "heard",
                events,
                expected_version=1 + number * len(events),
                at_us=AT_US,
                durable=False,
            )
    took = time.perf_counter() - start
    table.add(
        f"records delivered to {FOLLOWERS} followers",
        rate(delivered, took),
        asked="≥ 300,000/s",
        holds=delivered / took >= 300_000,
    )
    each = held / FOLLOWERS / 1024
    table.add(
        "memory of a follower that waits",
        f"{each:.1f} KiB",
        asked="≤ 256 KiB",
        holds=each <= 256,
    )


async def hearing(table: Table, store: JsonlStore) -> None:
    """From the answer to a durable append to the follower that has its record."""
    await store.append("near", [EVENT], expected_version=0, at_us=AT_US, durable=True)
    rounds = scaled(300, 5)
    heard: list[float] = []
    acknowledged: list[float] = []

    async def follow() -> None:
        with store.subscribe("near", after=1) as subscription:
            while subscription.position <= rounds:
                await subscription.receive()
                heard.append(time.perf_counter())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(rounds):
            await store.append(
                "near", [EVENT], expected_version=number + 1, at_us=AT_US, durable=True
            )
            acknowledged.append(time.perf_counter())
            while len(heard) <= number:
                await trio.lowlevel.checkpoint()
    lag = median(earlier - other for earlier, other in zip(heard, acknowledged, strict=True))
    table.add(
        "a follower has a record after its append returned",
        us(max(lag, 0.0)),
        asked="≤ 200 µs",
        holds=lag <= 200e-6,
    )
