"""No space, no descriptor, no memory, a file that may not grow: each is temporary, is named, and loses nothing.

Every kind of shortage meets every call to the file system in turn, once. The call is refused as
retriable, with a message that names the shortage and nothing else; then it is tried
again, and succeeds.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

import pytest

from codexd_eventstore.disk.files import PASSING
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore, StoreFailed
from fault_plans import ANY, FaultAt
from simulated_files import SimulatedFileSystem
from store_engines import append, numbers, placed
from trio_test import trio_test

DATA, STATE = "/disk/data", "/disk/state"
FULL = {errno.ENOSPC, errno.EDQUOT}
SHORT = (*FULL, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# To sync a folder it has to be opened first: where that fails, the disk was asked for nothing.
DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
# What is asked of nobody: a sync that fails has lost what it was to keep, and closing tells nothing.
CALLS = ANY - {"sync", "sync_folder", "truncate", "unlink", "remove_folder", "fd_state"}

Step = Callable[[EventStore], Awaitable[object]]


def check(failed: StoreFailed, number: int) -> None:
    """It may be tried again, and is called what it is."""
    assert failed.retry, failed
    assert failed.is_full == (number in FULL)
    assert PASSING[number] in str(failed)
    for other, words in PASSING.items():
        assert other == number or words not in str(failed)


async def insisting(step: Step, store: EventStore, number: int) -> object:
    """Do it, and once more where something was short."""
    try:
        return await step(store)
    except StoreFailed as failed:
        check(failed, number)
        return await step(store)


async def draft_a_text(store: EventStore, number: int) -> None:
    """A draft is opened, grows and becomes a blob, whatever is short."""

    async def opened(store: EventStore) -> object:
        return store.open_draft("orders", "item", b"{}")

    draft = await insisting(opened, store, number)

    async def grown(store: EventStore) -> object:
        return draft.append(b"Hello")  # type: ignore[attr-defined]

    async def read(store: EventStore) -> object:
        return draft.read()  # type: ignore[attr-defined]

    async def kept(store: EventStore) -> object:
        return await draft.keep()  # type: ignore[attr-defined]

    assert await insisting(grown, store, number) == 5
    try:
        assert await read(store) == b"Hello"
    except StoreFailed:
        assert await read(store) == b"Hello"
    blob = await insisting(kept, store, number)

    async def again(store: EventStore) -> object:
        return await store.read_blob(blob.sha256)  # type: ignore[attr-defined]

    assert await insisting(again, store, number) == b"Hello"


async def append_some(store: EventStore, number: int) -> None:
    """Two appends to a new stream, whatever is short."""
    for version in range(2):

        async def appended(store: EventStore, version: int = version) -> object:
            return await append(store, "orders", version, placed(version + 1), durable=True)

        await insisting(appended, store, number)
    assert numbers(await store.read("orders")) == [(1, 1), (2, 2)]


async def open_again(store: EventStore, number: int) -> None:
    """A stream that is there is opened and read, whatever is short."""

    async def read(store: EventStore) -> object:
        return numbers(await store.read("before"))

    assert await insisting(read, store, number) == [(n, n) for n in range(1, 4)]


async def left_behind(store: EventStore, number: int) -> None:
    """What a dead process left is found, whatever is short."""

    async def left(store: EventStore) -> object:
        return await store.left_drafts("before")

    found = await insisting(left, store, number)
    assert [document.content for document in found] == [b"so far"]  # type: ignore[attr-defined]


SCRIPTS = (draft_a_text, append_some, open_again, left_behind)


async def prepared() -> SimulatedFileSystem:
    """A disk with a stream and a draft that a dead process left."""
    files = SimulatedFileSystem()
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        for version in range(3):
            await append(store, "before", version, placed(version + 1), durable=True)
        store.open_draft("before", "item", b"{}").append(b"so far")
    return files


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("number", SHORT, ids=lambda number: errno.errorcode[number])
@trio_test
async def test_any_shortage_at_any_call(
    number: int, script: Callable[[EventStore, int], Awaitable[None]]
) -> None:
    tried = 0
    while True:
        kinds = CALLS | {"sync_folder"} if number in DESCRIPTORS else CALLS
        faults = FaultAt(tried + 1, number, kinds=kinds, writes_part=0.5)
        files = await prepared()
        files.faults = faults
        async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
            faults.start()
            try:
                await script(store, number)
            except BaseException as error:
                error.add_note(f"call {tried + 1}")
                raise
            faults.stop()
        if not faults.failed:
            break
        tried += 1
    assert tried >= 2


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EACCES])
@trio_test
async def test_a_permanent_error_is_not_tried_again(number: int) -> None:
    files = SimulatedFileSystem(faults=(faults := FaultAt(1, number, kinds=frozenset({"create"}))))
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        faults.start()
        with pytest.raises(StoreFailed) as caught:
            store.open_draft("orders", "item", b"{}")
        assert not caught.value.retry
        assert not caught.value.is_full
