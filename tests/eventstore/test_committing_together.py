"""Appends share syncs without waiting for a timer; and a cancelled caller loses no accepted append."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.log.committer import FILES_OPEN_MAX, THREADS_MAX
from codexd_eventstore.operations.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.store import Conflict, NewEvent, StoreFailed
from store_engines import NOON_US, append, content, log_path, numbers, placed
from trio_test import trio_test


class SlowDisk(FileSystem):
    """A disk whose syncs can be held up, and counted."""

    def __init__(self) -> None:
        self.syncs = 0
        self._free = threading.Event()
        self._free.set()

    def sync(self, fd: int) -> None:
        """Wait until the disk is let go."""
        self._free.wait()
        self.syncs += 1

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """No sync returns within this context."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()


@trio_test
async def test_appends_during_a_sync_share_the_next(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        before = disk.syncs
        async with trio.open_nursery() as nursery:
            with disk.held_up():
                for number in range(1, 101):
                    nursery.start_soon(
                        lambda number: append(store, "orders", number, durable=True), number
                    )
                    await wait_all_tasks_blocked()
        assert disk.syncs == before + 2
        assert numbers(await store.read("orders")) == [(n, n) for n in range(1, 102)]


class CountingDisk(FileSystem):
    """A disk that says when it has synced so often, and may be full from some write on."""

    def __init__(self) -> None:
        self.syncs_left = 1_000_000
        self.writes_left = 1_000_000
        self.synced = threading.Event()
        self.first = threading.Event()

    def write(self, fd: int, content: bytes) -> None:
        """Write, or half of it if the disk is full."""
        self.writes_left -= 1
        if self.writes_left < 0:
            super().write(fd, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(fd, content)

    def sync(self, fd: int) -> None:
        """Wait for the first to be let go; nothing is synced in truth."""
        self.first.wait()
        self.syncs_left -= 1
        if self.syncs_left == 0:
            self.synced.set()


@trio_test
async def test_the_next_round_does_not_wait_for_the_event_loop(tmp_path: Path) -> None:
    disk = CountingDisk()
    disk.first.set()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        disk.first.clear()
        disk.syncs_left = 2
        async with trio.open_nursery() as nursery:
            for number in range(1, 4):
                nursery.start_soon(
                    lambda number: append(store, "orders", number, durable=True), number
                )
                await wait_all_tasks_blocked()
            disk.first.set()
            # The loop stands still here, and both rounds come to the disk.
            assert disk.synced.wait(5)
            assert (await store.head("orders")).version == 1
        assert numbers(await store.read("orders")) == [(n, n) for n in range(1, 5)]


@trio_test
async def test_a_round_that_fails_after_a_good_round_does_not_undo_it(
    tmp_path: Path,
) -> None:
    disk = CountingDisk()
    disk.first.set()
    refused: list[tuple[int, bool]] = []

    async def try_to_append(store: JsonlStore, number: int) -> None:
        try:
            await append(store, "orders", number, durable=True, key=f"k{number}")
        except StoreFailed as error:
            refused.append((number, error.retry))

    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        disk.first.clear()
        disk.writes_left = 1
        # The first round's, and the one for what is cut off behind it.
        disk.syncs_left = 2
        async with trio.open_nursery() as nursery:
            for number in range(1, 4):
                nursery.start_soon(try_to_append, store, number)
                await wait_all_tasks_blocked()
            disk.first.set()
            assert disk.synced.wait(5)
        assert sorted(refused) == [(2, True), (3, True)]
        assert numbers(await store.read("orders")) == [(1, 1), (2, 2)]
        assert content(await log_path(store, "orders")).count(b"\n") == 2
        disk.writes_left = 1
        answer = await append(store, "orders", 2, durable=True, key="k2")
        assert (answer.first, answer.repeated) == (3, False)


@pytest.mark.slow
@trio_test
async def test_a_busy_log_lets_others_have_its_thread(tmp_path: Path) -> None:
    class WaitingDisk(SlowDisk):
        """Has no log's third record on disk before the late log's second is written."""

        def __init__(self) -> None:
            super().__init__()
            self.third: set[int] = set()
            self.late = threading.Event()
            self.in_vain = 0

        def write(self, fd: int, content: bytes) -> None:
            super().write(fd, content)
            if content.startswith(b'{"seq":3'):
                self.third.add(fd)
            elif b"order.late" in content:
                self.late.set()

        def sync(self, fd: int) -> None:
            super().sync(fd)
            if fd in self.third and not self.late.wait(5):
                self.in_vain += 1

    disk = WaitingDisk()
    names = [f"s{number}" for number in range(THREADS_MAX)]
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        for name in [*names, "late"]:
            await append(store, name, 0, durable=True)
        async with trio.open_nursery() as nursery:

            def start(name: str, version: int, event: NewEvent) -> None:
                nursery.start_soon(lambda: append(store, name, version, event, durable=True))

            with disk.held_up():
                # Each thread has one round of a log on the disk and one behind it, and then another log comes.
                for number in (1, 2):
                    for name in names:
                        start(name, number, placed(number))
                    await wait_all_tasks_blocked()
                start("late", 1, NewEvent("order.late", b"{}"))
                await wait_all_tasks_blocked()
        assert (await store.head("late")).version == 2
    assert disk.in_vain == 0


@trio_test
async def test_nothing_is_seen_before_the_disk_has_it(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        async with trio.open_nursery() as nursery:
            with disk.held_up():
                nursery.start_soon(lambda: append(store, "orders", 1, durable=True))
                await wait_all_tasks_blocked()
                assert (await store.head("orders")).version == 1
                assert len(await store.read("orders")) == 1
                # But the next append must build on it.
                with pytest.raises(Conflict):
                    await append(store, "orders", 1)
        assert (await store.head("orders")).version == 2


@trio_test
async def test_another_log_does_not_wait_for_a_slow_sync(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        for stream in ("slow", "quick"):
            await append(store, stream, 0, durable=True)
        async with trio.open_nursery() as nursery:
            with disk.held_up():
                nursery.start_soon(lambda: append(store, "slow", 1, durable=True))
                await wait_all_tasks_blocked()
                await append(store, "quick", 1)
                assert (await store.head("quick")).version == 2
                assert (await store.head("slow")).version == 1


@trio_test
async def test_a_caller_that_is_cancelled_while_it_waits_has_appended(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        with disk.held_up(), trio.move_on_after(0.01) as scope:
            await append(store, "orders", 1, durable=True, key="k")
        assert scope.cancelled_caught
        answer = await append(store, "orders", 1, durable=True, key="k")
        assert (answer.first, answer.repeated) == (2, True)


@trio_test
async def test_a_caller_that_is_cancelled_before_has_not_appended(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0)
        with trio.CancelScope() as scope:
            scope.cancel()
            await append(store, "orders", 1)
        assert scope.cancelled_caught
        assert (await store.head("orders")).version == 1


@trio_test
async def test_an_append_that_is_not_durable_is_in_the_kernel_at_once(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        before = disk.syncs
        with disk.held_up():
            path = await log_path(store, "orders")
            for number in range(1, 10):
                await append(store, "orders", number)
                assert content(path).count(b"\n") == number + 1
        with trio.fail_after(5):
            while disk.syncs == before:
                await trio.lowlevel.checkpoint()


@trio_test
async def test_closing_the_store_waits_for_accepted_appends(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0)
        await append(store, "orders", 1)
    assert disk.syncs >= 1
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        assert (await store.head("orders")).version == 2


@pytest.mark.slow
@trio_test
async def test_more_streams_than_files_may_be_open(tmp_path: Path) -> None:
    disk = SlowDisk()
    count = FILES_OPEN_MAX + 50

    async def write(store: JsonlStore, stream: str) -> None:
        for number in range(3):
            await append(store, stream, number, durable=True)

    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(write, store, f"s{number}")
        for number in range(count):
            await append(store, f"s{number}", 3)
        assert len(await store.streams()) == count
        for number in range(count):
            assert (await store.head(f"s{number}")).version == 4


@trio_test
async def test_a_fork_waits_for_its_parent_to_be_on_disk(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "a", 0, durable=True)
        await append(store, "a", 1)
        before = disk.syncs
        await store.fork("a", 2, "b", [placed(3)], at_us=NOON_US)
        assert disk.syncs == before + 2
        assert numbers(await store.read("b")) == [(1, 1), (2, 2), (3, 3)]


@trio_test
async def test_a_failed_sync_is_the_end_of_the_file_until_it_is_opened_again(
    tmp_path: Path,
) -> None:
    class FailingDisk(FileSystem):
        broken = False

        def sync(self, fd: int) -> None:
            if self.broken:
                raise OSError(5, "Input/output error")

    disk = FailingDisk()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=disk) as store:
        await append(store, "orders", 0, durable=True)
        disk.broken = True
        with pytest.raises(StoreFailed) as caught:
            await append(store, "orders", 1, durable=True)
        assert not caught.value.retry
        disk.broken = False
        for durable in (False, True):
            with pytest.raises(StoreFailed, match="takes nothing any more"):
                await append(store, "orders", 1, durable=durable)
        assert numbers(await store.read("orders")) == [(1, 1)]
        with store.subscribe("orders") as subscription:
            assert numbers(await subscription.receive()) == [(1, 1)]
            with pytest.raises(StoreFailed):
                await subscription.receive()
        store.close("orders")
        # What was refused may have reached the file all the same; it was never acknowledged.
        version = (await store.head("orders")).version
        assert version in (1, 2)
        await append(store, "orders", version, durable=True)
