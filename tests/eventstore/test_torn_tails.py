"""A log whose last append never finished: it is cut off whole, kept beside the log, and the log continues.

The appends of these tests did finish, and are torn afterwards: so nothing may be noted of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codexd_eventstore.operations.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.store import NotFound, Verdict
from store_engines import (
    NOON_US,
    FastFiles,
    append,
    close_unnoted,
    content,
    log_path,
    numbers,
    placed,
    put,
)
from trio_test import trio_test

# The appends of the log under test, by how many events they have.
APPENDS = (1, 3, 2)


async def write_log(store: JsonlStore) -> tuple[Path, bytes, list[int]]:
    """The log's file, its bytes, and where each append ends in them."""
    ends, version = [0], 0
    for count in APPENDS:
        events = [placed(version + number + 1) for number in range(count)]
        version = (
            await append(store, "orders", version, *events, key=f"k{version}", durable=True)
        ).last
        ends.append(len(content(await log_path(store, "orders"))))
    path = await log_path(store, "orders")
    return path, content(path), ends


async def check(store: JsonlStore, path: Path, held: bytes, whole: int, end: int) -> None:
    """The log with this content opens with `whole` appends, keeps the rest beside, and goes on."""
    close_unnoted(store, "orders")
    put(path, held)
    version = sum(APPENDS[:whole])
    torn = list(path.parent.glob("*.torn-*"))
    assert torn == []
    if whole == 0:
        with pytest.raises(NotFound):
            await store.head("orders")
    else:
        head = await store.head("orders")
        assert head.version == version
        assert (head.repaired is None) == (len(held) == end)
        assert content(path) == held[:end]
    for kept in path.parent.glob("*.torn-*"):
        assert content(kept) == held[end:]
        torn.append(kept)
        kept.unlink()
    assert len(torn) == (len(held) > end)
    await append(store, "orders", version, durable=True)
    assert await store.verify("orders") == Verdict("orders", version + 1)
    assert [seq for seq, _ in numbers(await store.read("orders"))] == list(range(1, version + 2))


Tear = Callable[[bytes, int], bytes]
TEARS: dict[str, Tear] = {
    "cut off": lambda whole, at: whole[:at],
    "zeros to the end": lambda whole, at: whole[:at] + bytes(len(whole) - at),
    "zeros for a sector": lambda whole, at: whole[:at] + bytes(512),
}


@pytest.mark.slow
@pytest.mark.parametrize("tear", TEARS.values(), ids=TEARS)
@trio_test
async def test_a_tail_torn_at_any_byte_vanishes_whole(tear: Tear, tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        path, whole, ends = await write_log(store)
        for at in range(len(whole)):
            appends = sum(1 for end in ends[1:] if end <= at)
            await check(store, path, tear(whole, at), appends, ends[appends])
    print(f"torn tails: {len(whole)} cases without a durable point")


@trio_test
async def test_the_cut_is_reported_in_a_sentence(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        path, whole, _ = await write_log(store)
        close_unnoted(store, "orders")
        put(path, whole[:-1])
        repaired = (await store.head("orders")).repaired
    assert repaired is not None
    assert "after record 4" in repaired
    assert "(1 whole records)" in repaired
    assert ".torn-" in repaired


@trio_test
async def test_the_key_of_a_torn_append_is_forgotten(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        path, whole, _ = await write_log(store)
        close_unnoted(store, "orders")
        put(path, whole[:-1])
        assert (await append(store, "orders", 0, key="k1")).repeated
        assert not (await append(store, "orders", 4, key="k4")).repeated


@trio_test
async def test_a_fork_with_a_torn_first_append_never_was(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        await append(store, "a", 0)
        await store.fork("a", 1, "b", [placed(2), placed(3)], at_us=NOON_US)
        path = await log_path(store, "b")
        whole = content(path)
        for at in (0, 10, len(whole) // 2, len(whole) - 1):
            close_unnoted(store, "b")
            put(path, whole[:at])
            with pytest.raises(NotFound):
                await store.head("b")
        await store.fork("a", 1, "b", [placed(2)], at_us=NOON_US)
        assert numbers(await store.read("b")) == [(1, 1), (2, 2)]


@trio_test
async def test_a_torn_record_longer_than_a_read_is_cut_too(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0)
        await append(store, "orders", 1, placed(2, size=5_000_000), durable=True)
        path = await log_path(store, "orders")
        whole = content(path)
        close_unnoted(store, "orders")
        assert (await store.head("orders")).version == 2
        for kept in (len(whole) - 1, 3_000_000):
            close_unnoted(store, "orders")
            put(path, whole[:kept])
            assert (await store.head("orders")).version == 1
