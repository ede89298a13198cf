"""Which package a thread came with is known as soon as it is noted, and by the next daemon."""

from __future__ import annotations

from codexd.core.values.ids import ThreadId
from codexd.core.values.taken_from import TakenFrom
from codexd.runtime.daemon_stream import KNOWN_MAX, BroughtIn
from codexd_eventstore.memory.store import MemoryStore
from random_thread import THREAD
from trio_test import trio_test


def brought(store: MemoryStore) -> BroughtIn:
    return BroughtIn(store, lambda: 1_000_000)


@trio_test
async def test_a_thread_is_known_to_have_come_though_it_was_asked_for_before() -> None:
    store = MemoryStore()
    threads = brought(store)
    assert await threads.of(THREAD) is None
    await threads.note(THREAD, "/a.codexd.tar")
    for origins in (threads, threads, brought(store)):
        assert await origins.of(THREAD) == TakenFrom("package", "/a.codexd.tar")


@trio_test
async def test_the_first_package_counts() -> None:
    threads = brought(MemoryStore())
    await threads.note(THREAD, "/a.codexd.tar")
    await threads.note(THREAD, "/b.codexd.tar")
    assert await threads.of(THREAD) == TakenFrom("package", "/a.codexd.tar")


@trio_test
async def test_more_threads_than_are_kept_in_memory_are_all_known() -> None:
    threads = brought(MemoryStore())
    await threads.note(THREAD, "/a.codexd.tar")
    assert await threads.of(THREAD) == TakenFrom("package", "/a.codexd.tar")
    for number in range(KNOWN_MAX + 1):
        assert await threads.of(ThreadId(f"{THREAD}-{number}")) is None
    assert await threads.of(THREAD) == TakenFrom("package", "/a.codexd.tar")
