"""Pages in the system's cache are read without a worker thread; reads that wait for the disk are not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.operations.jsonl import open_jsonl_store
from store_engines import append, numbers, placed
from trio_test import trio_test


class WatchedFiles(FileSystem):
    """The real files; says what is at hand, and remembers in which threads logs were read."""

    def __init__(self, *, at_hand: bool) -> None:
        self.at_hand = at_hand
        self.readers: set[threading.Thread] = set()

    def sync(self, fd: int) -> None:
        """Nothing."""

    def is_at_hand(self, fd: int, start: int, size: int) -> bool:
        """As it was told."""
        return self.at_hand

    def read(self, fd: int, start: int, size: int) -> bytes:
        """The same, and by whom."""
        self.readers.add(threading.current_thread())
        return super().read(fd, start, size)


@pytest.mark.parametrize("at_hand", [True, False])
@trio_test
async def test_a_long_page_is_read_in_this_thread_if_no_disk_is_waited_for(
    at_hand: bool, tmp_path: Path
) -> None:
    files = WatchedFiles(at_hand=at_hand)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=files) as store:
        await append(store, "orders", 0, *[placed(n, 1000) for n in range(1, 701)])
        files.readers.clear()
        page = await store.read("orders", after=50, limit=500)
        assert numbers(page) == [(seq, seq) for seq in range(51, 551)]
        assert ({threading.current_thread()} == files.readers) is at_hand


@trio_test
async def test_a_reader_of_many_pages_lets_others_run(tmp_path: Path) -> None:
    files = WatchedFiles(at_hand=True)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=files) as store:
        await append(store, "orders", 0, *[placed(n, 1000) for n in range(1, 701)])
        seen = 0

        async def other() -> None:
            nonlocal seen
            while True:
                seen += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(5):
                await store.read("orders", limit=300)
            nursery.cancel_scope.cancel()
        assert seen >= 4  # after the last read the other task may not have its turn any more


def test_a_file_that_cannot_be_asked_is_not_at_hand() -> None:
    assert not FileSystem().is_at_hand(-1, 0, 10)
