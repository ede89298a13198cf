"""A log may be written, closed, moved or forbidden while it is checked: none of that is damage."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.event_log import StreamEntry
from codexd_eventstore.log.file_reader import LogFiles
from codexd_eventstore.log.scan import scan_log
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import StoreFailed, Verdict
from store_engines import append, content, log_path, placed
from trio_test import trio_test

STREAM = "01a9c2f0-0000-7000-8000-000000000000"


class GrowingFiles(FileSystem):
    """Files of which one gets its next bytes after each look into it."""

    def __init__(self, path: Path, rest: bytes, step: int) -> None:
        self._path, self._rest, self._step = path, rest, step

    def read(self, fd: int, start: int, size: int) -> bytes:
        read = super().read(fd, start, size)
        more, self._rest = self._rest[: self._step], self._rest[self._step :]
        with self._path.open("ab") as file:
            file.write(more)
        return read


class WatchedFiles(FileSystem):
    """Files of which the first look into each calls something, once it is armed."""

    def __init__(self) -> None:
        self.then: Callable[[], None] | None = None

    def open_to_read(self, path: str) -> int:
        fd = super().open_to_read(path)
        then, self.then = self.then, None
        if then is not None:
            then()
        return fd


async def made(folder: Path) -> bytes:
    """The bytes of a log of some appends, of one record and of several."""
    async with open_jsonl_store(folder, state_dir=folder / "state") as store:
        await append(store, STREAM, 0, durable=True)
        await append(store, STREAM, 1, placed(2), placed(3), placed(4, 300))
        await append(store, STREAM, 4, durable=True)
        await append(store, STREAM, 5, placed(6), key="k")
        return content(await log_path(store, STREAM))


@pytest.mark.slow
@trio_test
async def test_an_append_during_the_check_is_no_damage(tmp_path: Path) -> None:
    whole = await made(tmp_path / "home")
    path = tmp_path / "grows.jsonl"
    for cut in range(1, len(whole), 3):
        for step in (1, 40, len(whole)):
            path.write_bytes(whole[:cut])
            files = GrowingFiles(path, whole[cut:], step)
            scan = scan_log(files, str(path), STREAM)
            assert scan.tail is None or scan.tail.damage is None, (cut, step, scan.tail)


@trio_test
async def test_the_index_says_of_no_growing_log_that_it_is_damaged(tmp_path: Path) -> None:
    whole = await made(tmp_path / "home")
    path = tmp_path / "grows.jsonl"
    logs = LogFiles(tmp_path / "home")
    for cut in range(1, len(whole), 7):
        path.write_bytes(whole[:cut])
        logs.fs = GrowingFiles(path, whole[cut:], 40)
        assert logs.damage(StreamEntry(STREAM, False, cut, 0, str(path))) is None


@pytest.mark.parametrize("closes", [True, False])
@trio_test
async def test_a_log_that_is_opened_and_written_to_while_it_is_checked_is_whole(
    tmp_path: Path, closes: bool
) -> None:
    files = WatchedFiles()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=files) as store:
        await append(store, STREAM, 0, durable=True)
        store.close(STREAM)

        async def writes() -> None:
            await append(store, STREAM, 1, placed(2), placed(3, 100_000), durable=True)
            await store.scrub(
                STREAM, lambda record: b'{"n":0}' if record.seq == 2 else None, at_us=0
            )
            if closes:
                store.close(STREAM)

        files.then = lambda: trio.from_thread.run(writes)
        assert await store.verify(STREAM) in (Verdict(STREAM, 1), Verdict(STREAM, 3))
        assert files.then is None
        assert (await store.verify(STREAM)).damage is None


@trio_test
async def test_a_log_that_is_moved_while_it_is_looked_for_is_found(tmp_path: Path) -> None:
    files = WatchedFiles()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=files) as store:
        await append(store, STREAM, 0, durable=True)
        store.close(STREAM)
        path = await log_path(store, STREAM)
        store.close(STREAM)

        def moves() -> None:
            trio.from_thread.run(store.archive, STREAM)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

        files.then = moves
        assert await store.verify(STREAM) == Verdict(STREAM, 1, archived=True)


@trio_test
async def test_a_log_that_may_not_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    files = WatchedFiles()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=files) as store:
        await append(store, STREAM, 0, durable=True)
        store.close(STREAM)

        def forbids() -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "log")

        files.then = forbids
        with pytest.raises(StoreFailed, match="Permission denied"):
            await store.verify(STREAM)
        assert await store.verify(STREAM) == Verdict(STREAM, 1)
