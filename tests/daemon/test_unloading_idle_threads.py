"""An idle thread without followers is unloaded after a minute, and all clients are notified."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from codexd.core.commands import RenameThread, StartThread
from codexd.core.events.events import ThreadForked
from codexd.core.events.record import decode_record
from codexd.core.state.due import Effect
from codexd.core.values.ids import ThreadId
from codexd.core.values.limits import Traits
from codexd.core.values.settings import Settings
from codexd.models.client import ModelClient
from codexd.models.sse import EventStreamReader
from codexd.protocol.wire.framing import Lines
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.supervisor import UNLOAD_IDLE_SECONDS, Supervisor
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame, Questions, Reader
from codexd.server.feed.reviews import RunningReviews
from codexd.tools.registry import Registry
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import NewEvent, Refused
from trio_test import trio_test

THREAD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60")
CHILD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f61")
GRANDCHILD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f62")
SETTINGS = Settings("/w", "m", "p", approval_policy="never", sandbox="read-only")
READER = Reader(Lines(), lines=True)


class AllClients:
    """Whoever is connected, as the feed knows them."""

    any = True
    reviews = RunningReviews(lambda thread_id: None)

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.forgotten: list[ThreadId] = []
        self.notified = trio.Event()

    def tell(self, frame: Frame, thread_id: ThreadId) -> None:
        self.heard += [json.loads(line) for line in frame.framed(READER).splitlines()]
        self.notified.set()

    def forget(self, thread_id: ThreadId) -> None:
        self.forgotten.append(thread_id)


def nobody(provider: str, turn_id: str) -> ModelClient:
    raise AssertionError("no model is asked here")


async def perform(effect: Effect, thread: ThreadActor) -> None:
    raise AssertionError("nothing is due here")


def a_world(folder: Path) -> World:
    return World(
        store=MemoryStore(),
        client=nobody,
        traits=lambda model: Traits(),
        registry=Registry(),
        unfinished=UnfinishedFiles(folder / "unfinished"),
        processes=ProcessFiles(folder / "processes"),
        instructions="",
    )


@trio_test(autojump=True)
async def test_after_an_idle_minute_it_is_unloaded_and_loads_again(tmp_path: Path) -> None:
    world, all_clients = a_world(tmp_path), AllClients()
    feed = Feed(THREAD, all_clients, Questions(0), lambda: 0)
    supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
    begin = StartThread(settings=SETTINGS, originator="t", daemon_version="0")
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.start(THREAD, begin, by=None, key=None)
        began = trio.current_time()
        assert supervisor.loaded(THREAD) is not None
        await all_clients.notified.wait()
        assert UNLOAD_IDLE_SECONDS <= trio.current_time() - began <= 2 * UNLOAD_IDLE_SECONDS
        assert supervisor.loaded(THREAD) is None
        assert [message["method"] for message in all_clients.heard] == [
            "thread/status/changed",
            "thread/closed",
        ]
        assert all_clients.heard[0]["params"]["status"] == {"type": "notLoaded"}
        assert all_clients.forgotten == [THREAD]
        thread = await supervisor.load(THREAD)
        await thread.submit(RenameThread(name="back"))
        assert thread.state.name == "back"
        nursery.cancel_scope.cancel()


@trio_test
async def test_a_client_that_asks_for_it_while_it_is_unloaded_gets_it_loaded_again(
    tmp_path: Path,
) -> None:
    world = a_world(tmp_path)
    feed = Feed(THREAD, AllClients(), Questions(0), lambda: 0)
    supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
    begin = StartThread(settings=SETTINGS, originator="t", daemon_version="0")
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.start(THREAD, begin, by=None, key=None)
        nursery.start_soon(supervisor.unload, THREAD)
        for _ in range(2):  # It has begun, and is not done.
            await trio.lowlevel.checkpoint()
        thread = await supervisor.load(THREAD)
        await thread.submit(RenameThread(name="still here"))
        assert thread.state.name == "still here"
        nursery.cancel_scope.cancel()


@trio_test
async def test_a_client_that_leaves_before_it_is_loaded_stops_no_other_from_loading_it(
    tmp_path: Path,
) -> None:
    world = a_world(tmp_path)
    feed = Feed(THREAD, AllClients(), Questions(0), lambda: 0)
    supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
    begin = StartThread(settings=SETTINGS, originator="t", daemon_version="0")
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.start(THREAD, begin, by=None, key=None)
        await supervisor.unload(THREAD)
        with trio.CancelScope() as asker:
            asker.cancel()
            await supervisor.load(THREAD)
        assert (await supervisor.load(THREAD)).version == 1
        nursery.cancel_scope.cancel()


@trio_test(autojump=True)
async def test_ephemeral_forks_are_forgotten_each_by_itself(tmp_path: Path) -> None:
    kept, passing = a_world(tmp_path / "kept"), a_world(tmp_path / "passing")
    heard = {thread: AllClients() for thread in (THREAD, CHILD, GRANDCHILD)}
    supervisor = Supervisor(
        lambda ephemeral: passing if ephemeral else kept,
        lambda thread: Feed(thread, heard[thread], Questions(0), lambda: 0),
        perform,
    )
    begin = StartThread(settings=SETTINGS, originator="t", daemon_version="0")
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        parent = await supervisor.start(THREAD, begin, by="codexctl:1", key="k")
        child = await supervisor.fork(
            THREAD, parent.version, CHILD, by="codexctl:2", ephemeral=True
        )
        await supervisor.fork(CHILD, child.version, GRANDCHILD, by="codexctl:2")
        past, forked = [decode_record(record.line) for record in await passing.store.read(CHILD)]
        (begun,) = [decode_record(record.line) for record in await kept.store.read(THREAD)]
        assert past == msgspec.structs.replace(begun, key=None)
        assert forked.event == ThreadForked(THREAD, 1, ephemeral=True)
        assert (child.state.ephemeral, child.summary.ephemeral) == (True, True)
        assert {stream.stream for stream in await passing.store.streams()} == {CHILD, GRANDCHILD}
        for follower in heard.values():
            await follower.notified.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert await passing.store.streams() == []
        assert [stream.stream for stream in await kept.store.streams()] == [THREAD]
        assert not supervisor.is_ephemeral(CHILD)
        nursery.cancel_scope.cancel()


@trio_test
async def test_of_a_fork_that_cannot_be_made_nothing_is_left(tmp_path: Path) -> None:
    kept, passing = a_world(tmp_path / "kept"), a_world(tmp_path / "passing")
    feed = Feed(THREAD, AllClients(), Questions(0), lambda: 0)
    supervisor = Supervisor(
        lambda ephemeral: passing if ephemeral else kept, lambda thread: feed, perform
    )
    begun = NewEvent("thread.renamed", b'{"name":"a"}')
    await kept.store.append(THREAD, [begun], expected_version=0, at_us=0, durable=True)
    with pytest.raises(Refused, match="has 1 records: it cannot be forked at 2"):
        await supervisor.fork(THREAD, 2, CHILD, by=None, ephemeral=True)
    with trio.CancelScope() as asker:
        asker.cancel()
        await supervisor.fork(THREAD, 1, CHILD, by=None, ephemeral=True)
    assert asker.cancelled_caught
    assert await passing.store.streams() == []
    assert not supervisor.is_ephemeral(CHILD)


@contextmanager
def without_collecting() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@trio_test
async def test_an_unloaded_thread_is_freed_without_garbage_collection(
    tmp_path: Path,
) -> None:
    # The daemon's collector looks at what is old every some ten thousand turns: what is a circle stays until then.
    world, feeds = a_world(tmp_path), list[weakref.ref[Feed]]()

    def audience(thread_id: ThreadId) -> Feed:
        feed = Feed(thread_id, AllClients(), Questions(0), lambda: 0)
        feeds.append(weakref.ref(feed))
        return feed

    supervisor = Supervisor(lambda ephemeral: world, audience, perform)
    begin = StartThread(settings=SETTINGS, originator="t", daemon_version="0")
    with without_collecting():
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            gone = weakref.ref(await supervisor.start(THREAD, begin, by=None, key=None))
            await supervisor.unload(THREAD)
            await supervisor.start(CHILD, begin, by=None, key=None)
            await trio.testing.wait_all_tasks_blocked()
            assert (gone(), feeds[0]()) == (None, None)
            nursery.cancel_scope.cancel()


def test_a_stream_that_was_read_is_gone_without_a_search_for_garbage() -> None:
    with without_collecting():
        reader = EventStreamReader()
        reader.feed(b"data: 1\n\n")
        gone = weakref.ref(reader)
        del reader
        assert gone() is None
