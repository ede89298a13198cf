"""Whenever a daemon dies, a thread whose log says that there is work to do is marked, so that the next daemon finds it.

The law is checked before and after every call to the file system that the store makes: what the log says
at that moment is what a daemon would find that starts after a death there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from builders import FINISHED, SETTINGS, finished_message
from codexd.core import commands as c
from codexd.core.events.record import decode_record
from codexd.core.state.due import has_work
from codexd.core.state.state import ThreadState, fold
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.limits import Traits
from codexd.models.client import ModelClient
from codexd.projections.clients.deltas import TextPart
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.supervisor import Supervisor
from codexd.tools.registry import Registry
from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.format.lines import marks_of
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore, Record
from trio_test import trio_test

THREAD = ThreadId("019aa8f0-0000-7000-8000-000000000001")
# What may be called at any time and tells nothing.
PASSED_ON = (
    "create",
    "write",
    "write_pieces",
    "sync",
    "sync_folder",
    "truncate",
    "rename",
    "unlink",
)


class Watched(FileSystem):
    """The real one, with somebody who looks in front of and behind every call that changes something."""

    def __init__(self, look: Callable[[], None]) -> None:
        for name in PASSED_ON:
            setattr(self, name, partial(self._watched, getattr(super(), name), look))

    def _watched(self, call: Callable[..., Any], look: Callable[[], None], *args: Any) -> Any:
        look()
        try:
            return call(*args)
        finally:
            look()


class Witness:
    """Holds the log against the mark, whenever it is asked to look."""

    def __init__(self, home: Path, unfinished: Path) -> None:
        self._home, self._mark = home, unfinished / THREAD
        self.looks = 0
        self.seen: set[tuple[bool, bool]] = set()  # whether a turn ran, and whether anything waited

    def look(self) -> None:
        """See what a daemon would find that starts after a death now."""
        state = self.state()
        self.looks += 1
        self.seen.add((state.turn is not None, bool(state.queue)))
        if has_work(state):
            assert self._mark.exists(), f"{state.turn and state.turn.turn_id}, {state.queue}"

    def state(self) -> ThreadState:
        """What the log says."""
        for log in self._home.rglob(f"{THREAD}.jsonl"):
            *lines, _ = log.read_bytes().split(b"\n")
            while lines and marks_of(Record(0, lines[-1])).more:
                lines.pop()
            return fold(decode_record(line).event for line in lines)
        return ThreadState()


class Audience:
    """Nobody."""

    watched = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None

    def text(self, item: ItemId, part: TextPart, index: int, pieces: Sequence[str]) -> None: ...


def nobody(provider: str, turn_id: str) -> ModelClient:
    raise AssertionError("no model is asked here")


async def forever(effect: object, thread: ThreadActor) -> None:
    """Nothing that is due comes to an end by itself: the test reports what came of it."""
    await trio.sleep_forever()


def a_world(store: EventStore, folder: Path) -> World:
    return World(
        store=store,
        client=nobody,
        traits=lambda name: Traits(),
        registry=Registry(),
        unfinished=UnfinishedFiles(folder / "unfinished"),
        processes=ProcessFiles(folder / "processes"),
        instructions="",
    )


def ask(n: int) -> c.StartTurn:
    content = (TextInput(f"prompt {n}"),)
    return c.StartTurn(turn_id=TurnId(f"t{n}"), item_id=ItemId(f"u{n}"), content=content)


async def answer(thread: ThreadActor, n: int) -> None:
    """The model answers, and the turn ends."""
    turn = thread.state.turn
    assert turn is not None
    assert turn.call is not None
    seen = (finished_message(f"m{n}", "done"), FINISHED)
    await thread.submit(
        c.ReportModel(call_id=turn.call.call_id, attempt=turn.call.attempt, seen=seen)
    )


async def live(thread: ThreadActor) -> None:
    """All ways in which work comes and goes."""
    for n in range(1, 6):
        await thread.submit(ask(n))
    await answer(thread, 1)
    await thread.submit(c.InterruptTurn())
    await thread.submit(c.WithdrawInput(item_id=ItemId("u5")))
    await answer(thread, 3)
    await answer(thread, 4)
    assert not has_work(thread.state)
    await thread.submit(ask(6))
    await thread.submit(ask(7))
    await thread.submit(c.ArchiveThread())


@pytest.mark.slow
@trio_test
async def test_there_is_a_mark_whenever_the_log_has_work(tmp_path: Path) -> None:
    home, state = tmp_path / "home", tmp_path / "state"
    on_record = Witness(home, state / "unfinished")
    files = Watched(on_record.look)
    async with open_jsonl_store(home, state_dir=state, files=files) as store:
        world = a_world(store, state)
        audience: Any = Audience()
        supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: audience, forever)
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            begin = c.StartThread(settings=SETTINGS, originator="t", daemon_version="0")
            thread = await supervisor.start(THREAD, begin, by=None, key=None)
            assert not state.joinpath("unfinished", THREAD).exists()
            await live(thread)
            assert not state.joinpath("unfinished", THREAD).exists()
            nursery.cancel_scope.cancel()
    assert on_record.looks > 50
    # Also the moment between two turns was among them.
    assert on_record.seen == {(False, False), (True, False), (True, True), (False, True)}
