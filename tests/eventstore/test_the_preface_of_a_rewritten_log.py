"""A rewritten log has a line before record 1 that says so; reading, forking and appending work after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd_eventstore.format.preface import FIRST_BYTES, Preface, preface_line
from codexd_eventstore.store import Damaged, EventStore
from store_engines import (
    NOON_US,
    append,
    content,
    log_path,
    numbers,
    opened,
    placed,
    put,
)
from trio_test import trio_test

MANY_CUTS = {seq: (f"{seq:08x}",) for seq in range(1, 501)}


async def preface(store: EventStore, stream: str, preface: Preface) -> Path:
    """Put a preface in front of a log that is there."""
    path = await log_path(store, stream)
    store.close(stream)
    put(path, preface_line(stream, preface, NOON_US) + b"\n" + content(path))
    return path


@trio_test
@pytest.mark.parametrize("cuts", [{}, {2: ("0a1b2c3d",)}, MANY_CUTS])
async def test_a_log_after_a_preface_reads_verifies_and_grows(
    tmp_path: Path, cuts: dict[int, tuple[str, ...]]
) -> None:
    async with opened(tmp_path) as store:
        await append(store, "orders", 0, placed(1), placed(2), placed(3), durable=True)
        path = await preface(store, "orders", Preface(2, None, cuts, "scrub"))
        assert (len(content(path).partition(b"\n")[0]) > FIRST_BYTES) == (cuts is MANY_CUTS)
        assert (await store.head("orders")).version == 3
        await append(store, "orders", 3, placed(4), durable=True)
        assert numbers(await store.read("orders")) == [(1, 1), (2, 2), (3, 3), (4, 4)]
        assert numbers(await store.read("orders", after=3)) == [(4, 4)]
    async with opened(tmp_path) as store:
        assert (await store.verify("orders")).damage is None
        assert (await store.verify("orders")).records == 4


@trio_test
async def test_a_rewritten_fork_still_names_its_parent(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await append(store, "orders", 0, placed(1), placed(2), durable=True)
        await store.fork("orders", 2, "child", [placed(3)], at_us=NOON_US)
        await preface(store, "child", Preface(2, None, MANY_CUTS, "scrub"))
        assert (await store.head("child")).parent == "orders"
        assert numbers(await store.read("child")) == [(1, 1), (2, 2), (3, 3)]
        assert (await store.verify("child")).damage is None


@trio_test
async def test_a_cut_is_a_checksum_that_a_fork_may_have_left_at(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await append(store, "orders", 0, placed(1), placed(2), durable=True)
        await store.fork("orders", 2, "child", [placed(3)], at_us=NOON_US)
        crc = (await store.read("orders"))[-1].line[-10:-2].decode()
        path = await log_path(store, "orders")
        store.close("orders")
        path.unlink()
        await append(store, "orders", 0, placed(1), placed(99), durable=True)
        damage = (await store.verify("child")).damage
        assert damage is not None
        assert "another record 2" in damage
        await preface(store, "orders", Preface(2, None, {2: (crc,)}, "scrub"))
        assert (await store.verify("child")).damage is None


@trio_test
async def test_every_flipped_bit_of_a_preface_is_found_and_nothing_is_cut(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await append(store, "orders", 0, placed(1), durable=True)
        path = await preface(store, "orders", Preface(2, "origin", {}, "detached"))
        whole = content(path)
        length = whole.index(b"\n") + 1
        for place in range(length):
            put(path, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(Damaged):
                await store.head("orders")
            assert (await store.verify("orders")).damage is not None
        print(f"flipped bits in a preface: {length} cases")


@trio_test
async def test_a_rewritten_log_that_lost_all_of_its_records_is_damaged(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await append(store, "orders", 0, placed(1), durable=True)
        path = await preface(store, "orders", Preface(2))
        whole = content(path)
        # Seven bytes and less could be the beginning of a first append, and look torn.
        for end in range(8, len(whole)):
            put(path, whole[:end])
            with pytest.raises(Damaged):
                await store.head("orders")
            assert content(path) == whole[:end]
