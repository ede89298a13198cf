"""A fork in memory has its images there, and they go with it."""

from __future__ import annotations

from builders import STARTED
from codexd.core.events.events import Event, InputQueued, ThreadStarted, encode_event
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import ImageInput, LocalImageInput
from codexd.runtime.ephemeral_fork import copy_past, forget
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import EventStore, NewEvent
from trio_test import trio_test

PARENT, CHILD = ThreadId("parent"), ThreadId("child")
GONE = f"codexd-blob:{'0' * 64};image/png"


async def parent_with(store: EventStore, *names: str) -> None:
    content = tuple(ImageInput(name) for name in names)
    local = LocalImageInput("a.png", image=names[0])
    said = InputQueued(ItemId("u1"), TurnId("t1"), (*content, local))
    events: tuple[Event, ...] = (STARTED, said)
    for seq, event in enumerate(events):
        new = NewEvent(event.type, encode_event(event), event.v, b"")
        await store.append(PARENT, [new], expected_version=seq, at_us=1, durable=False)


@trio_test
async def test_the_images_of_a_copy_are_there_and_go_with_it() -> None:
    source, memory = MemoryStore(), MemoryStore()
    ref = await source.put_blob(b"pixels")
    await parent_with(source, f"codexd-blob:{ref.sha256};image/png", GONE)
    await copy_past(source, PARENT, 2, memory, CHILD)
    assert await memory.blobs() == [ref]
    assert await memory.read_blob(ref.sha256) == b"pixels"
    assert (await memory.read(CHILD))[0].type == ThreadStarted.type
    await copy_past(source, PARENT, 2, memory, ThreadId("other"))
    await forget(memory, CHILD)
    assert await memory.blobs() == [ref]
    await forget(memory, ThreadId("other"))
    assert await memory.blobs() == []
    assert await source.blobs() == [ref]
