"""Checking all threads one after the other takes time in proportion to them: each is looked up by its name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from codexd.protocol.codexd_methods import ThreadVerifyParams
from codexd.server.connection.connection import Connection
from codexd.server.methods.maintenance import thread_verify
from codexd.server.services import Services
from codexd_eventstore.disk.files import Entry, FileState
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore
from store_engines import NOON_US, FastFiles, append, placed
from trio_test import trio_test


class CountedFiles(FastFiles):
    """Files that count how many folders are listed, and how often anything is looked up."""

    def __init__(self) -> None:
        self.listed = self.looked_up = 0

    def entries(self, path: str) -> list[Entry]:
        self.listed += 1
        return super().entries(path)

    def state(self, path: str) -> FileState | None:
        self.looked_up += 1
        return super().state(path)


def thread_id(number: int) -> str:
    return f"019ab000-0000-7000-8000-{number:012x}"


async def filled(store: EventStore, threads: int) -> None:
    """Threads of which every other one is archived, and one fork."""
    for number in range(threads):
        await append(store, thread_id(number), 0)
        if number % 2:
            await store.archive(thread_id(number))
    await store.fork(thread_id(0), 1, thread_id(threads), [placed(1)], at_us=NOON_US)


async def checked(store: EventStore, thread: str) -> dict[str, Any]:
    services = cast("Services", SimpleNamespace(store=store))  # It takes nothing else of them.
    nobody = cast("Connection", None)
    answered = await thread_verify(services, nobody, ThreadVerifyParams(thread_id=thread))
    built = msgspec.to_builtins(answered)
    assert isinstance(built, dict)
    return built


@trio_test
async def test_a_check_looks_at_its_thread_and_at_no_other(tmp_path: Path) -> None:
    threads, files = 12, CountedFiles()
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", files=files) as store:
        await filled(store, threads)
        for number in range(threads):
            store.close(thread_id(number))
        files.listed = files.looked_up = 0
        for number in range(threads):
            found = await checked(store, thread_id(number))
            assert (found["archived"], found["records"]) == (bool(number % 2), 1)
        assert files.listed == 0
        # Among the open ones, in the archive, and in front of the reading and behind it.
        assert files.looked_up <= 4 * threads


@trio_test
async def test_a_store_in_memory_says_the_same() -> None:
    store = MemoryStore()
    await filled(store, 4)
    assert [(await checked(store, thread_id(n)))["archived"] for n in range(4)] == [False, True] * 2
