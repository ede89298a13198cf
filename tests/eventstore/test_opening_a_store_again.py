"""What a store knows after a restart, and what it notices when another program changed its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from codexd_eventstore.log.keys import KEYS_KEPT_MAX
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import (
    LEFT_BYTES_MAX,
    LEFT_END_BYTES,
    Conflict,
    Damaged,
    LeftDraft,
    NotFound,
    Refused,
    StoreFailed,
)
from store_engines import NOON_US, append, content, log_path, numbers, placed, put
from trio_test import trio_test


@trio_test
async def test_a_repeat_after_a_restart_gets_the_first_answer(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0)
        first = await append(store, "orders", 1, placed(2), placed(3), key="clé \\ \n")
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        again = await append(store, "orders", 1, placed(2), key="clé \\ \n", durable=True)
        assert (again.first, again.last, again.repeated) == (2, 3, True)
        assert again.records == first.records
        with pytest.raises(Conflict):
            await append(store, "orders", 1, key="another")


@trio_test
async def test_the_oldest_key_is_known_when_many_others_follow_it(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for number in range(KEYS_KEPT_MAX + 1):
            await append(store, "orders", number, key=f"k{number}")
    for _ in range(2):
        async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
            assert (await append(store, "orders", 0, key="k0")).repeated
            with pytest.raises(Conflict):
                await append(store, "orders", 0, key="another")


@trio_test
async def test_time_continues_from_the_last_record(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0, at_us=NOON_US + 123_456)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        line = (await append(store, "orders", 1)).records[0].line
        assert b'"at":"2026-11-21T03:00:00.123456Z"' in line


@trio_test
async def test_a_uuid7_lies_under_its_own_day(tmp_path: Path) -> None:
    stream = f"{NOON_US // 1000:012x}"
    stream = f"{stream[:8]}-{stream[8:]}-7abc-8def-0123456789ab"
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, stream, 0)
        await append(store, "daemon", 0)
        assert await log_path(store, stream) == tmp_path / f"threads/2026/11/21/{stream}.jsonl"
        assert await log_path(store, "daemon") == tmp_path / "threads/other/daemon.jsonl"
        await store.archive(stream)
        assert await log_path(store, stream) == tmp_path / f"archived/{stream}.jsonl"


@trio_test
async def test_children_of_an_earlier_process_are_found(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "a", 0)
        await store.fork("a", 1, "b", [placed(2)], at_us=NOON_US)
        await store.fork("b", 2, "c", [placed(3)], at_us=NOON_US)
        await store.archive("b")
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for parent in "ab":
            with pytest.raises(Refused):
                await store.delete(parent)
        assert numbers(await store.read("c")) == [(1, 1), (2, 2), (3, 3)]
        for stream in "cba":
            await store.delete(stream)


@trio_test
async def test_a_damaged_stream_can_be_deleted(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0, durable=True)
        path = await log_path(store, "orders")
        await append(store, "orders", 1, durable=True)
    put(path, b"x" + content(path))
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        with pytest.raises(Damaged):
            await store.head("orders")
        await store.delete("orders")
        with pytest.raises(NotFound):
            await store.head("orders")


@trio_test
async def test_drafts_that_were_left_come_oldest_first(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for number in range(12):
            store.open_draft("orders", f"item-{number}", b'{"n":%d}' % number).append(b"a\nb")
        store.open_draft("orders", "dropped", b"").drop()
        store.open_draft("others", "item", b"").append(b"x")
    put(tmp_path / "drafts/orders/0014-without-a-header", b"{")
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        store.open_draft("orders", "live", b"").append(b"new")
        expected = [LeftDraft(f"item-{n}", b'{"n":%d}' % n, b"a\nb") for n in range(12)]
        assert await store.left_drafts("orders") == expected
        await store.drop_left_drafts("orders")
        assert await store.left_drafts("orders") == []
        assert len(await store.left_drafts("others")) == 1
        assert await store.left_drafts("nothing") == []


@trio_test
async def test_a_long_draft_that_was_left_is_read_by_its_ends_and_goes_on_in_its_file(
    tmp_path: Path,
) -> None:
    long = b"a" * LEFT_BYTES_MAX + b"b" * LEFT_END_BYTES
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        store.open_draft("orders", "output", b"{}").append(long[:9])
        store.open_draft("orders", "output", b"{}").append(long)
        store.open_draft("orders", "output", b"[]").append(long + b"of another")
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        short, left, other = await store.left_drafts("orders")
        assert (short.content, short.end, short.gone_bytes) == (long[:9], b"", 0)
        assert (len(left.content), left.end) == (LEFT_BYTES_MAX - 3, long[-LEFT_END_BYTES:])
        assert left.gone_bytes == 3  # as long as the header
        draft = store.reopen_draft("orders", left)
        assert draft.size_bytes == len(long)
        draft.append(b"c")
        assert draft.read(len(long) - 1) == b"bc"
        assert await store.left_drafts("orders") == [short, other]
        await store.drop_left_drafts("orders")
        assert (await draft.keep()).size_bytes == len(long) + 1
        with pytest.raises(NotFound):
            store.reopen_draft("orders", left)


@trio_test
async def test_deleting_a_stream_takes_its_drafts_and_repairs_along(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0)
        path = await log_path(store, "orders")
    put(path, content(path) + b'{"seq":2')
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        assert (await store.head("orders")).repaired
        store.open_draft("orders", "item", b"")
        await store.delete("orders")
    assert os.listdir(path.parent) == []
    assert os.listdir(tmp_path / "drafts") == []


@trio_test
async def test_blobs_are_stored_once_and_checked(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        blob = await store.put_blob(b"bytes")
        path = tmp_path / "blobs" / blob.sha256[:2] / blob.sha256
        before = path.stat().st_ino
        await store.put_blob(b"bytes")
        assert path.stat().st_ino == before
        put(path, b"bytez")
        with pytest.raises(Damaged):
            await store.read_blob(blob.sha256)


@pytest.mark.parametrize("what", ["replaced", "unlinked", "cut", "extended"])
@trio_test
async def test_a_log_that_another_program_wrote_takes_no_appends(what: str, tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0, durable=True)
        path = await log_path(store, "orders")
        tamper(path, what)
        with pytest.raises(
            StoreFailed, match="another program replaced, cut or extended it"
        ) as caught:
            await append(store, "orders", 1, durable=True)
        assert not caught.value.retry
        with pytest.raises(StoreFailed):
            await append(store, "orders", 1)
        store.close("orders")
        if what == "replaced":
            await append(store, "orders", 1, durable=True)


def tamper(path: Path, what: str) -> None:
    """Do to a log what sync tools and editors do."""
    whole = content(path)
    if what == "replaced":
        put(path.with_name("copy"), whole)
        path.with_name("copy").rename(path)
    elif what == "unlinked":
        path.unlink()
    else:
        put(path, whole[:-5] if what == "cut" else whole + b"x")


@trio_test
async def test_an_empty_file_is_no_stream(tmp_path: Path) -> None:
    put(tmp_path / "threads/other/orders.jsonl", b"")
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        with pytest.raises(NotFound):
            await store.head("orders")
        assert await store.streams() == []
        await append(store, "orders", 0, durable=True)
        assert (await store.head("orders")).version == 1


@trio_test
async def test_many_open_the_same_stream_at_once(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0, placed(1, size=200_000))
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        versions: list[int] = []

        async def look() -> None:
            versions.append((await store.head("orders")).version)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(look)
        assert versions == [1] * 5


@trio_test
async def test_a_store_whose_folder_cannot_be_made_raises_it(tmp_path: Path) -> None:
    put(tmp_path / "file", b"")
    with pytest.raises(StoreFailed, match="cannot be opened"):
        async with open_jsonl_store(tmp_path / "file" / "home", state_dir=tmp_path / "state"):
            pass
