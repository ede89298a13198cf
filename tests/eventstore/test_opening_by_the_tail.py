"""A long log opens by its tail: its notes say where to begin, and everything else works as usual."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import pytest

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.format.lines import chain_start, crc_of, frame
from codexd_eventstore.log.log import REREAD_BYTES
from codexd_eventstore.operations.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.store import Damaged, NewEvent, Verdict
from store_engines import NOON_US, append, content, log_path, numbers, placed, put
from trio_test import trio_test

RECORDS: Final = 5000
LONG_LINE: Final = 300_000  # one of these is much longer than the others
KEYED: Final = 50  # every so manyth record has a key


class CountingFiles(FileSystem):
    """The real files, counting the bytes that are read."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, fd: int, start: int, size: int) -> bytes:
        """The same, counted."""
        found = super().read(fd, start, size)
        self.read_bytes += len(found)
        return found


def long_log(folder: Path, records: int = RECORDS) -> Path:
    """A log of a megabyte and more, as another process left it."""
    lines, chain = [], chain_start("orders")
    for seq in range(records):
        event = placed(seq + 1, size=LONG_LINE if seq == records // 3 else seq % 400)
        key = f"k{seq + 1}" if seq % KEYED == 0 else None
        record = frame([event], after=seq, chain=chain, at_us=NOON_US + seq, key=key)[0]
        lines.append(record.line + b"\n")
        chain = crc_of(record.line)
    path = folder / "home/threads/other/orders.jsonl"
    put(path, b"".join(lines))
    return path


def opened(
    folder: Path, files: FileSystem | None = None
) -> AbstractAsyncContextManager[JsonlStore]:
    """The store of a folder."""
    return open_jsonl_store(folder / "home", state_dir=folder / "state", files=files)


async def noted_log(folder: Path) -> Path:
    """The same log after it was opened once."""
    path = long_log(folder)
    async with opened(folder) as store:
        assert (await store.head("orders")).version == RECORDS
    return path


def forget(folder: Path) -> None:
    """Remove all that may be lost."""
    for path in list((folder / "state").iterdir()):
        path.unlink()


@trio_test
async def test_only_the_tail_is_read(tmp_path: Path) -> None:
    path = await noted_log(tmp_path)
    files = CountingFiles()
    async with opened(tmp_path, files) as store:
        assert (await store.head("orders")).version == RECORDS
    assert REREAD_BYTES < files.read_bytes < REREAD_BYTES + 200 * 1024 < len(content(path)) / 2


async def check_every_way(store: JsonlStore) -> None:
    """Read here and there, far from anything that is known."""
    for first in (1, 2, 777, RECORDS // 3, RECORDS // 3 + 1, RECORDS // 3 + 2, 4000, RECORDS):
        expected = [(seq, seq) for seq in range(first, min(first + 100, RECORDS + 1))]
        assert numbers(await store.read("orders", after=first - 1, limit=100)) == expected
        back = [(seq, seq) for seq in range(first, max(0, first - 100), -1)]
        assert numbers(await store.read_back("orders", before=first + 1, limit=100)) == back
    for after in (0, 1600, 3210):
        with store.subscribe("orders", after=after) as subscription:
            got = []
            while subscription.position < RECORDS:
                got += [record.seq for record in await subscription.receive()]
            assert got == list(range(after + 1, RECORDS + 1))
    assert await store.verify("orders") == Verdict("orders", RECORDS)


@pytest.mark.slow
@trio_test
async def test_everything_reads_as_if_all_of_it_had_been_read(tmp_path: Path) -> None:
    await noted_log(tmp_path)
    async with opened(tmp_path) as store:
        await check_every_way(store)
        await store.fork("orders", 2222, "child", [placed(2223)], at_us=NOON_US)
        assert await store.verify("child") == Verdict("child", 1)
        await append(store, "orders", RECORDS, durable=True)
    async with opened(tmp_path) as store:
        assert numbers(await store.read("child", after=2220)) == [
            (n, n) for n in (2221, 2222, 2223)
        ]
        assert numbers(await store.read("orders", after=RECORDS)) == [(RECORDS + 1, RECORDS + 1)]


@trio_test
async def test_a_page_from_the_middle_reads_little_of_the_file(tmp_path: Path) -> None:
    path = await noted_log(tmp_path)
    files = CountingFiles()
    async with opened(tmp_path, files) as store:
        await store.head("orders")
        files.read_bytes = 0
        assert (await store.read("orders", after=3500, limit=10))[0].seq == 3501
    assert files.read_bytes < 500 * 1024 < len(content(path)) / 2


@trio_test
async def test_a_key_is_known_forever(tmp_path: Path) -> None:
    await noted_log(tmp_path)
    for lost in (False, True):
        if lost:
            forget(tmp_path)
        async with opened(tmp_path) as store:
            for seq in (1, 2001, RECORDS - KEYED + 1):
                assert await store.find_key("orders", f"k{seq}") == (seq, seq)
                assert (await append(store, "orders", 0, key=f"k{seq}")).repeated
            assert await store.find_key("orders", "k2") is None
    async with opened(tmp_path) as store:
        answer = await append(store, "orders", RECORDS, key="k2")
        assert (answer.last, answer.repeated) == (RECORDS + 1, False)


@pytest.mark.slow
@trio_test
async def test_a_log_that_grows_is_noted_before_it_is_closed(tmp_path: Path) -> None:
    path = await noted_log(tmp_path)
    async with opened(tmp_path) as store:
        for number in range(40):
            await append(store, "orders", RECORDS + number, placed(1, size=60_000), durable=True)
        # As if the process had died here: what it noted is in the file, and it closed nothing.
        await store.notes.write_out()
        for name in ("home", "state"):
            (tmp_path / "dead" / name).mkdir(parents=True)
        put(tmp_path / "dead" / "home" / "threads/other/orders.jsonl", content(path))
        for left in (tmp_path / "state").iterdir():
            put(tmp_path / "dead/state" / left.name, content(left))
    files = CountingFiles()
    async with opened(tmp_path / "dead", files) as store:
        assert (await store.head("orders")).version == RECORDS + 40
    assert files.read_bytes < 2 * 1024 * 1024 < len(content(path))


@pytest.mark.slow
@trio_test
async def test_the_newest_records_are_always_checked(tmp_path: Path) -> None:
    path = await noted_log(tmp_path)
    whole = content(path)
    start = len(whole) - REREAD_BYTES
    for at in (start, start + 100, len(whole) - 200, len(whole) - 3):
        put(path, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        async with opened(tmp_path) as store:
            with pytest.raises(Damaged):
                await store.head("orders")


@trio_test
async def test_damage_far_from_the_tail_shows_where_it_is_read(tmp_path: Path) -> None:
    path = await noted_log(tmp_path)
    whole = bytearray(content(path))
    whole[1000] ^= 1
    put(path, bytes(whole))
    async with opened(tmp_path) as store:
        assert (await store.head("orders")).version == RECORDS
        with pytest.raises(Damaged):
            await store.read("orders")
        assert (await store.verify("orders")).damage is not None
        answer = await append(store, "orders", RECORDS, NewEvent("order.paid", b"{}"))
        assert answer.last == RECORDS + 1


@trio_test
async def test_a_log_that_was_long_and_is_short_is_damaged_and_not_cut(tmp_path: Path) -> None:
    path = await noted_log(tmp_path)
    whole = content(path)
    for end in (0, 1000, len(whole) // 2, len(whole) - 1):
        put(path, whole[:end])
        async with opened(tmp_path) as store:
            with pytest.raises(Damaged, match=f"{RECORDS} records were acknowledged"):
                await store.head("orders")
        assert content(path) == whole[:end]
        assert list(path.parent.glob("*.torn-*")) == []


@trio_test
async def test_the_path_of_a_long_log_is_its_own(tmp_path: Path) -> None:
    path = await noted_log(tmp_path)
    async with opened(tmp_path) as store:
        await store.archive("orders")
        assert await log_path(store, "orders") != path
    files = CountingFiles()
    async with opened(tmp_path, files) as store:
        assert (await store.head("orders")).version == RECORDS
    assert files.read_bytes < len(content(tmp_path / "home/archived/orders.jsonl")) / 2
