"""Logs of earlier releases, with unknown types, long lines, large numbers and many records."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd_eventstore.format.lines import APPEND_EVENTS_MAX, frame, read_lines
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import NewEvent, Verdict
from store_engines import NOON_US, FastFiles, append, log_path, numbers, placed, put
from trio_test import trio_test

# Byte for byte as each release wrote them; a line here is never changed, only added.
GOLDEN = {
    "0.1": (
        b'{"seq":1,"at":"2026-11-21T03:00:00.000000Z",'
        b'"type":"order.placed","data":{"number":1},"crc":"5f30ed53"}\n'
        b'{"seq":2,"at":"2026-11-21T03:00:00.000000Z","type":"order.paid","v":2,"more":true,'
        b'"key":"k 1","by":"ann","data":{"number":2},"crc":"1a4587b2"}\n'
        b'{"seq":3,"at":"2026-11-21T03:00:00.000000Z",'
        b'"type":"order.placed","data":{"number":3},"crc":"b5997947"}\n'
    ),
}


def placed_at(folder: Path, content: bytes) -> None:
    """Put a log where the store finds it."""
    put(folder / "threads/other/orders.jsonl", content)


@pytest.mark.parametrize("release", GOLDEN)
@trio_test
async def test_a_log_of_an_earlier_release_reads_and_continues(
    release: str, tmp_path: Path
) -> None:
    placed_at(tmp_path, GOLDEN[release])
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        assert numbers(await store.read("orders")) == [(1, 1), (2, 2), (3, 3)]
        assert (await store.head("orders")).repaired is None
        assert (await append(store, "orders", 0, key="k 1")).repeated
        await append(store, "orders", 3, durable=True)
        assert await store.verify("orders") == Verdict("orders", 4)
        assert (
            b"".join([r.line + b"\n" for r in await store.read("orders", limit=3)])
            == (GOLDEN[release])
        )


@trio_test
async def test_unknown_members_are_kept_and_passed_on(tmp_path: Path) -> None:
    unknown = NewEvent("of.tomorrow:x/2", b'{"a":[{"b":null}]}', v=9, members=b'"z":{"crc":"0"}')
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        told = (await append(store, "orders", 0, unknown, durable=True)).records
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        assert tuple(await store.read("orders")) == told
        await append(store, "orders", 1)
        assert await store.verify("orders") == Verdict("orders", 2)


@pytest.mark.slow
@trio_test
async def test_a_line_of_ten_megabytes_is_a_line(tmp_path: Path) -> None:
    long = placed(2, 10_000_000)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        await append(store, "orders", 0)
        await append(store, "orders", 1, long, placed(3), durable=True)
        await append(store, "orders", 3)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "other", files=FastFiles()) as store:
        assert numbers(await store.read("orders")) == [(1, 1), (2, 2), (3, 3), (4, 4)]
        assert numbers(await store.read_back("orders", before=3)) == [(2, 2), (1, 1)]
        assert await store.verify("orders") == Verdict("orders", 4)
        with store.subscribe("orders", after=1) as subscription:
            assert numbers(await subscription.receive())[0] == (2, 2)


def test_numbers_continue_beyond_two_to_the_thirty_first() -> None:
    """Nobody waits for a log of that length, so its lines are framed and read from there."""
    for after in (2**31 - 3, 2**32 - 3, 2**53 - 3):
        records = frame([placed(n) for n in range(6)], after=after, chain=1, at_us=NOON_US)
        whole = b"".join([record.line + b"\n" for record in records])
        found, used, _ = read_lines(whole, after, 1)
        assert (found, used) == (records, len(whole))
        assert [record.seq for record in found] == list(range(after + 1, after + 7))


@pytest.mark.slow
@trio_test
async def test_the_hundred_thousand_and_first_record_is_there(tmp_path: Path) -> None:
    """Elsewhere a reader knew numbers of five digits only."""
    count = 100_001
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        version = 0
        while version < count:
            more = min(APPEND_EVENTS_MAX, count - version)
            events = [placed(version + n) for n in range(1, more + 1)]
            version = (await append(store, "orders", version, *events)).last
        path = await log_path(store, "orders")
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "other", files=FastFiles()) as store:
        assert (await store.head("orders")).version == count
        assert numbers(await store.read("orders", after=count - 2)) == [
            (count - 1, count - 1),
            (count, count),
        ]
        assert numbers(await store.read_back("orders", limit=1)) == [(count, count)]
        assert await log_path(store, "orders") == path
