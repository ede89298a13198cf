"""One flipped bit anywhere in a log is always detected, and never loses a record that others follow.

The last record alone is the exception: without a note of how far the log was acknowledged, a flip
in it looks like an append that never finished. It is cut off, kept beside the log, and reported.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.log.scan import scan_log
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import Damaged, NewEvent
from store_engines import NOON_US, FastFiles, append, content, log_path, placed, put
from trio_test import trio_test


async def write_logs(folder: Path) -> tuple[Path, Path]:
    """A small log with every kind of member, all of it on disk, and a fork of it."""
    async with open_jsonl_store(folder, state_dir=folder / "state") as store:
        events = [placed(2), NewEvent("order.paid", b"{}", v=2, members=b'"by":"ann"')]
        await append(store, "a", 0, durable=True)
        await append(store, "a", 1, *events, key="k", durable=True)
        await append(store, "a", 3, durable=True)
        await store.fork("a", 3, "b", [placed(4), placed(5)], at_us=NOON_US)
        await append(store, "b", 5, durable=True)
        return await log_path(store, "a"), await log_path(store, "b")


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["a", "b"])
@trio_test
async def test_every_flipped_bit_shows(stream: str, tmp_path: Path) -> None:
    path = (await write_logs(tmp_path))["ab".index(stream)]
    whole = content(path)
    fs = FileSystem()
    last_version = scan_log(fs, str(path), stream).version
    last_start = whole.rindex(b"\n", 0, -1) + 1
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        put(path, bytes(flipped))
        tail = scan_log(fs, str(path), stream).tail
        assert tail is not None, f"bit {bit} was accepted"
        if bit // 8 < last_start:
            assert tail.damage is not None, f"bit {bit} would have cost records that others follow"
        elif tail.damage is None:
            assert tail.seq == last_version
    print(f"bit flips: {len(whole) * 8} of {stream} without a durable point, none accepted")


@pytest.mark.parametrize("position", [0.1, 0.5, 0.7])
@trio_test
async def test_damage_is_refused_by_name_and_left_as_it_is(position: float, tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        for number in range(10):
            await append(store, "orders", number, durable=True)
        await append(store, "others", 0)
        path = await log_path(store, "orders")
        broken = bytearray(content(path))
        broken[int(len(broken) * position)] ^= 1
        store.close("orders")
        put(path, bytes(broken))
        for call in (store.head, store.read):
            with pytest.raises(Damaged, match=r"stream orders: record [268] in .*codexctl fsck"):
                await call("orders")
        with pytest.raises(Damaged):
            await append(store, "orders", 10)
        assert content(path) == broken
        verdict = await store.verify("orders")
        assert verdict.records == int(position * 10)
        assert verdict.damage is not None
        # The others are not concerned.
        await append(store, "others", 1, durable=True)


@trio_test
async def test_lines_missing_doubled_or_swapped_are_damage(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        for number in range(5):
            await append(store, "orders", number, durable=True)
        path = await log_path(store, "orders")
        a, b, c, d, e = content(path).splitlines(keepends=True)
        for lines in ([a, c, d, e], [b, c, d, e], [a, b, b, c, d, e], [a, c, b, d, e], [a, e, e]):
            store.close("orders")
            put(path, b"".join(lines))
            with pytest.raises(Damaged):
                await store.head("orders")


@trio_test
async def test_a_log_under_another_name_is_damage(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=FastFiles()) as store:
        await append(store, "orders", 0, durable=True)
        await append(store, "orders", 1, durable=True)
        path = await log_path(store, "orders")
        put(path.with_name("others.jsonl"), content(path))
        with pytest.raises(Damaged):
            await store.head("others")


@trio_test
async def test_a_fork_whose_parent_was_changed_does_not_verify(tmp_path: Path) -> None:
    a, b = await write_logs(tmp_path)
    lines = content(a).splitlines(keepends=True)
    put(a, lines[0])
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        damage = (await store.verify("b")).damage
        assert damage is not None
        assert "another record 3" in damage
        assert len(await store.read("b", after=3)) == 3
        with pytest.raises(Damaged):
            await store.read("b")
        store.close("b")
        store.close("a")
        a.unlink()
        for call in (store.head, store.read):
            with pytest.raises(Damaged, match="gone"):
                await call("b")
        assert (await store.verify("b")).damage is not None
        assert b.exists()
