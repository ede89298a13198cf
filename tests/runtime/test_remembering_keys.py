"""A thread knows every key that it ever took a command under, however many came after it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from codexd.core.commands import ChangeSettings, StartThread
from codexd.core.state.due import Effect
from codexd.core.values.ids import ThreadId
from codexd.core.values.limits import Traits
from codexd.core.values.settings import Settings, SettingsChange
from codexd.models.client import ModelClient
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.supervisor import Supervisor
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame, Questions
from codexd.server.feed.reviews import RunningReviews
from codexd.tools.registry import Registry
from codexd_eventstore.operations.jsonl import open_jsonl_store
from random_thread import THREAD
from trio_test import trio_test

SETTINGS = Settings("/w", "m", "p", approval_policy="never", sandbox="read-only")
OTHERS = 1500


class Nobody:
    any = False
    reviews = RunningReviews(lambda thread_id: None)

    def tell(self, frame: Frame, thread_id: ThreadId) -> None: ...

    def forget(self, thread_id: ThreadId) -> None: ...


def no_model(provider: str, turn_id: str) -> ModelClient:
    raise AssertionError("no model is asked here")


async def perform(effect: Effect, thread: ThreadActor) -> None:
    raise AssertionError("nothing is due here")


@pytest.mark.slow
@trio_test
async def test_the_first_of_many_keys_is_answered_as_the_first_time(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path / "home", state_dir=tmp_path / "state") as store:
        world = World(
            store=store,
            client=no_model,
            traits=lambda model: Traits(),
            registry=Registry(),
            unfinished=UnfinishedFiles(tmp_path / "unfinished"),
            processes=ProcessFiles(tmp_path / "processes"),
            instructions="",
        )
        feed = Feed(THREAD, Nobody(), Questions(0), lambda: 0)
        supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            begin = StartThread(settings=SETTINGS, originator="t", daemon_version="0")
            thread = await supervisor.start(THREAD, begin, by=None, key=None)
            for n in range(OTHERS):
                change = ChangeSettings(change=SettingsChange(model=f"m-{n}"))
                assert (await thread.submit(change, key=f"key {n}")).repeated is None
            await supervisor.unload(THREAD)
            thread = await supervisor.load(THREAD)
            assert thread.version == OTHERS + 1
            for n in (0, 7, OTHERS - 1):
                change = ChangeSettings(change=SettingsChange(model="another"))
                repeated = (await thread.submit(change, key=f"key {n}")).repeated
                assert repeated is not None
                assert (repeated.seq, repeated.key) == (n + 2, f"key {n}")
            assert thread.version == OTHERS + 1
            nursery.cancel_scope.cancel()
