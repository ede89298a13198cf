"""No space, for one append or at each call in turn: nothing half-written stays, and it continues when there is space."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore, NotFound, StoreError, StoreFailed, Verdict
from store_engines import NOON_US, append, content, log_path, numbers, placed
from trio_test import trio_test


class SmallDisk(FileSystem):
    """A disk with room for so many bytes more; what fits of a write is written, as a real one does."""

    def __init__(self) -> None:
        self.room = 10**9

    def write(self, fd: int, content: bytes) -> None:
        """Write as much as fits."""
        fits = content[: self.room]
        super().write(fd, fits)
        self.room -= len(fits)
        if len(fits) < len(content):
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("durable", [False, True])
@trio_test
async def test_an_append_that_does_not_fit_may_be_retried(durable: bool, tmp_path: Path) -> None:
    disk = SmallDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        disk.room = 20
        with pytest.raises(StoreFailed) as caught:
            await append(store, "orders", 0, durable=durable)
        assert caught.value.retry
        disk.room = 10**6
        await append(store, "orders", 0, durable=durable)
        path = await log_path(store, "orders")
        before = content(path)
        for room in (0, 1, 100, 200):
            disk.room = room
            with pytest.raises(StoreFailed) as caught:
                await append(store, "orders", 1, placed(2), placed(3), durable=durable, key="k")
            assert caught.value.retry
            assert content(path) == before
            assert numbers(await store.read("orders")) == [(1, 1)]
        disk.room = 10**6
        assert not (await append(store, "orders", 1, durable=durable, key="k")).repeated
        assert await store.verify("orders") == Verdict("orders", 2)


class HeldDisk(SmallDisk):
    """A small disk whose writes wait until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def write(self, fd: int, content: bytes) -> None:
        """Wait, then write as much as fits."""
        self.free.wait()
        super().write(fd, content)


@trio_test
async def test_an_append_that_was_accepted_after_a_failed_write_fails_with_it(
    tmp_path: Path,
) -> None:
    disk = HeldDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        disk.room = 10
        disk.free.clear()

        async def attempt(number: int) -> None:
            with pytest.raises(StoreFailed) as caught:
                await append(store, "orders", number, durable=True, key=f"k{number}")
            assert caught.value.retry

        async with trio.open_nursery() as nursery:
            for number in range(1, 4):
                nursery.start_soon(attempt, number)
                await wait_all_tasks_blocked()
            disk.free.set()
        disk.room = 10**6
        assert not (await append(store, "orders", 1, durable=True, key="k1")).repeated
        assert await store.verify("orders") == Verdict("orders", 2)


@trio_test
async def test_a_draft_that_does_not_fit_keeps_its_content(tmp_path: Path) -> None:
    disk = SmallDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        draft = store.open_draft("orders", "item", b"{}")
        draft.append(b"Hello")
        disk.room = 3
        with pytest.raises(StoreFailed) as caught:
            draft.append(b" world")
        assert caught.value.retry
        assert draft.read() == b"Hello"
        disk.room = 100
        assert draft.append(b"!") == 6
        disk.room = 1
        with pytest.raises(StoreFailed):
            await draft.keep()
        with pytest.raises(StoreFailed):
            await store.put_blob(b"bytes")
        await store.set_checkpoint("index", "orders", 1_000_000)  # which may be lost
        with pytest.raises(StoreFailed):
            store.open_draft("orders", "another", b"{}")
        disk.room = 100
        assert (await draft.keep()).size_bytes == 6


class FailingAt(FileSystem):
    """A disk that fails one call, the n-th one that changes anything, or all from there on."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails_at: int | None = None
        self.fails_on = False
        self.number = errno.ENOSPC

    def _count(self) -> None:
        self.calls += 1
        if self.fails_at is not None and (
            self.calls == self.fails_at or (self.fails_on and self.calls > self.fails_at)
        ):
            raise OSError(self.number, os.strerror(self.number))

    def create(self, path: str) -> int:
        self._count()
        return super().create(path)

    def open(self, path: str) -> int:
        self._count()
        return super().open(path)

    def write(self, fd: int, content: bytes) -> None:
        try:
            self._count()
        except OSError:
            super().write(fd, content[: len(content) // 2])
            raise
        super().write(fd, content)

    def sync(self, fd: int) -> None:
        self._count()

    def sync_folder(self, path: str) -> None:
        self._count()

    def truncate(self, fd: int, size: int) -> None:
        self._count()
        super().truncate(fd, size)

    def rename(self, old: str, new: str) -> None:
        self._count()
        super().rename(old, new)

    def make_folder(self, path: str) -> bool:
        self._count()
        return super().make_folder(path)

    def unlink(self, path: str) -> None:
        self._count()
        super().unlink(path)


async def run_script(store: EventStore, acked: dict[str, int]) -> None:
    """A little of everything; `acked` keeps the version of each stream that was acknowledged."""

    async def write(stream: str, version: int, durable: bool) -> None:
        answer = await append(store, stream, version, placed(1), placed(2), durable=durable)
        acked[stream] = answer.last

    await write("a", 0, True)
    await write("a", 2, False)
    await write("b", 0, False)
    await write("b", 2, True)
    acked["c"] = (await store.fork("a", 4, "c", [placed(5)], at_us=NOON_US)).last
    await store.put_blob(b"bytes")
    await store.archive("b")
    await store.unarchive("b")
    await write("c", 5, True)
    await store.delete("b")
    del acked["b"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("fails_on", [False, True], ids=["once", "from then on"])
@trio_test
async def test_whichever_call_fails_nothing_acknowledged_is_lost(
    number: int, fails_on: bool, tmp_path: Path
) -> None:
    nth, finished = 0, False
    while not finished:
        nth += 1
        home, state = tmp_path / f"home-{nth}", tmp_path / f"state-{nth}"
        disk, acked = FailingAt(), dict[str, int]()
        disk.number, disk.fails_on = number, fails_on
        async with open_jsonl_store(home, state_dir=state, files=disk) as store:
            disk.fails_at = disk.calls + nth
            try:
                await run_script(store, acked)
                finished = disk.calls < disk.fails_at
            except StoreError:
                pass
        async with open_jsonl_store(home, state_dir=state) as store:
            for stream, version in acked.items():
                if stream != "b" or "c" not in acked:
                    assert (await store.head(stream)).version >= version, f"call {nth}"
            for row in await store.streams():
                try:
                    head = await store.head(row.stream)
                except NotFound:
                    continue  # its first append never finished
                verdict = await store.verify(row.stream)
                assert (verdict.damage, head.version) == (None, len(await store.read(row.stream)))
                await append(store, row.stream, head.version, durable=True)
    assert nth > 20
