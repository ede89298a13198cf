"""A daemon that resumes its threads waits for temporary errors, and leaves permanent errors to a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from builders import FINISHED, SETTINGS, finished_call, line, report
from codexd.core import commands as c
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.limits import Traits
from codexd.models.client import ModelClient
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.actor.stall import RETRY_SECONDS
from codexd.runtime.supervisor import Supervisor
from codexd.runtime.take_over import resume
from codexd.tools.registry import Registry
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import Damaged, Head, LeftDraft, NotFound, StoreError, StoreFailed
from trio_test import trio_test

FIRST, SECOND = (ThreadId(f"019aa8f0-0000-7000-8000-00000000000{n}") for n in (1, 2))


class Failing(MemoryStore):
    """A store in which one stream cannot be opened, or its drafts cannot be removed, for some time."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[StoreError] = []
        self.asked = 0
        self.drafts_stay = False

    async def head(self, stream: str) -> Head:
        if stream == FIRST:
            self.asked += 1
            if self.failures:
                raise self.failures.pop()
        return await super().head(stream)

    async def drop_left_drafts(self, stream: str) -> None:
        if self.drafts_stay:
            raise StoreFailed("they may not be removed", retry=False)
        await super().drop_left_drafts(stream)

    async def left_drafts(self, stream: str) -> list[LeftDraft]:
        return []


class Audience:
    watched = False

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def nobody(provider: str, turn_id: str) -> ModelClient:
    raise AssertionError("no model is asked here")


async def forever(effect: object, thread: ThreadActor) -> None:
    await trio.sleep_forever()


class Daemon:
    """A store, and what takes its threads up."""

    def __init__(self, store: Failing, folder: Path) -> None:
        self.unfinished = UnfinishedFiles(folder / "unfinished")
        world = World(
            store=store,
            client=nobody,
            traits=lambda name: Traits(),
            registry=Registry(),
            unfinished=self.unfinished,
            processes=ProcessFiles(folder / "processes"),
            instructions="",
        )
        audience: Any = Audience()
        self.supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: audience, forever)

    async def resume(self) -> None:
        """What it does when it starts."""
        await resume(self.supervisor, self.unfinished, self.unfinished.left())


async def lived(store: Failing, folder: Path, *, asks: bool = False) -> Daemon:
    """A daemon that dies with a turn under way in two threads; the next one.

    With `asks`, a question is open in both.
    """
    before = Daemon(store, folder)
    async with trio.open_nursery() as nursery:
        await nursery.start(before.supervisor.run)
        for thread_id in (FIRST, SECOND):
            begin = c.StartThread(settings=SETTINGS, originator="t", daemon_version="0")
            thread = await before.supervisor.start(thread_id, begin, by=None, key=None)
            content = (TextInput("go"),)
            turn, item = TurnId(f"t{thread_id[-1]}"), ItemId(f"u{thread_id[-1]}")
            await thread.submit(c.StartTurn(turn_id=turn, item_id=item, content=content))
            if asks:
                seen = (finished_call("c1", line("rm x")), FINISHED)
                await thread.submit(report(f"{turn}/1", *seen))
        nursery.cancel_scope.cancel()
    assert before.unfinished.left() == [FIRST, SECOND]
    store.asked = 0
    return Daemon(store, folder)


@trio_test(autojump=True)
async def test_a_temporary_error_is_waited_for(tmp_path: Path) -> None:
    store = Failing()
    daemon = await lived(store, tmp_path)
    store.failures = [StoreFailed("no descriptor", retry=True) for _ in range(3)]
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.supervisor.run)
        began = trio.current_time()
        await daemon.resume()
        assert trio.current_time() - began == pytest.approx(3 * RETRY_SECONDS)
        assert {thread.thread_id for thread in daemon.supervisor.threads} == {FIRST, SECOND}
        assert daemon.supervisor.stopped == {}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("failure", "stays"),
    [
        (lambda: StoreFailed("the disk is broken", retry=False), True),
        (lambda: Damaged("it does not read back"), True),
        (lambda: NotFound("it is gone"), False),
    ],
)
@trio_test(autojump=True)
async def test_a_permanent_error_is_left_to_a_person(
    failure: Callable[[], StoreError], stays: bool, tmp_path: Path
) -> None:
    store = Failing()
    daemon = await lived(store, tmp_path)
    store.failures = [failure()]
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.supervisor.run)
        await daemon.resume()
        assert {thread.thread_id for thread in daemon.supervisor.threads} == {SECOND}
        assert set(daemon.supervisor.stopped) == ({FIRST} if stays else set())
        # One that is gone is looked for no more; one that is damaged may be mended.
        assert (FIRST in daemon.unfinished.left()) == stays
        nursery.cancel_scope.cancel()


@trio_test
async def test_a_thread_that_is_loaded_is_marked_again_if_its_mark_is_gone(tmp_path: Path) -> None:
    store = Failing()
    daemon = await lived(store, tmp_path, asks=True)
    for thread_id in (FIRST, SECOND):
        daemon.unfinished.clear(thread_id)
    before = (await store.head(FIRST)).version
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.supervisor.run)
        await daemon.supervisor.load(FIRST)
        assert daemon.unfinished.left() == [FIRST]
        assert (await store.head(FIRST)).version == before  # Nothing had to be recorded for that.
        nursery.cancel_scope.cancel()


@trio_test
async def test_a_mark_of_a_thread_without_work_goes_when_it_is_loaded(tmp_path: Path) -> None:
    store = Failing()
    daemon = await lived(store, tmp_path)
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.supervisor.run)
        thread = await daemon.supervisor.load(FIRST)
        await thread.submit(c.InterruptTurn())
        await daemon.supervisor.unload(FIRST)
        daemon.unfinished.mark(FIRST)
        await daemon.supervisor.load(FIRST)
        assert daemon.unfinished.left() == [SECOND]
        nursery.cancel_scope.cancel()


@trio_test
async def test_drafts_that_cannot_be_removed_hinder_nothing(tmp_path: Path) -> None:
    store = Failing()
    daemon = await lived(store, tmp_path)
    store.drafts_stay = True
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.supervisor.run)
        await daemon.resume()
        assert len(daemon.supervisor.threads) == 2
        nursery.cancel_scope.cancel()
