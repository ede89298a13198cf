"""Right before a tool starts, its action is compared with the action in the question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from builders import ENDED, FIRST_TURN, asked_about, line, made
from codexd.core.events.events import Event
from codexd.core.events.record import Recorded
from codexd.core.events.tools import ApprovalDecided, ToolEnded, ToolStarted
from codexd.core.state.due import Effect, RunTool
from codexd.core.state.state import ThreadState, fold
from codexd.core.values.ids import CallId, ItemId, ThreadId
from codexd.core.values.limits import Traits
from codexd.core.values.model_output import ItemKind
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd.models.client import ModelClient
from codexd.projections.clients.deltas import TextPart
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.effects.tool_call import ToolRunning
from codexd.tools.registry import CallContext, OutputSink, Registry
from codexd_eventstore.memory.store import MemoryStore
from trio_test import trio_test

THREAD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60")


class Notes:
    """A tool that only notes what it was to do."""

    name = "shell"  # as the calls of an ordinary thread have it

    def __init__(self) -> None:
        self.performed: list[RunCommand] = []

    def offered(self, traits: Traits, thread: ThreadState) -> None:
        """No model is told of it."""

    def read_call(self, arguments: str, context: CallContext) -> RunCommand:
        raise AssertionError("no model calls here")

    async def perform(
        self, action: RunCommand, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        self.performed.append(action)
        return ToolResult("completed", "done")


class Ear:
    """A listener that keeps what comes into the log."""

    def __init__(self) -> None:
        self.heard: list[Recorded] = []

    def appended(self, records: Sequence[Recorded]) -> None:
        self.heard += records

    def loaded(self, state: ThreadState, turn_so_far: Sequence[Recorded]) -> None: ...

    def opened(self, item_id: ItemId, kind: ItemKind, started_ms: int) -> None: ...

    def text(self, item_id: ItemId, part: TextPart, index: int, pieces: Sequence[str]) -> None: ...

    def output(self, call_id: CallId, text: str) -> None: ...

    def stalled(self, reason: str, *, is_full: bool) -> None: ...

    def unstalled(self) -> None: ...


def no_model(provider: str, turn_id: str) -> ModelClient:
    raise AssertionError("no model is asked here")


async def perform(effect: Effect, thread: ThreadActor) -> None:
    """Only the tool runs; what comes after its answer is not looked at."""
    if isinstance(effect, RunTool):
        await ToolRunning(effect.call_id, thread).run()
    else:
        await trio.sleep_forever()


async def ran(folder: Path, asked: RunCommand, started: RunCommand) -> tuple[Notes, ToolResult]:
    """What is performed of a call that was asked about as one action and stands in memory as another."""
    notes, ear = Notes(), Ear()
    world = World(
        store=MemoryStore(),
        client=no_model,
        traits=lambda model: Traits(),
        registry=Registry(notes),
        unfinished=UnfinishedFiles(folder / "unfinished"),
        processes=ProcessFiles(folder / "processes"),
        instructions="",
    )
    actor = ThreadActor(THREAD, world, ear, perform, fresh=True)
    question = asked_about("c1", asked)
    past: tuple[Event, ...] = (
        *FIRST_TURN,
        made("c1"),
        question,
        ENDED,
        ApprovalDecided(question.approval_id, "accept"),
        ToolStarted(CallId("c1"), started),
    )
    actor.folds.state = fold(past)
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        while not ear.heard:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    event = ear.heard[0].event
    assert isinstance(event, ToolEnded)
    return notes, event.result


@trio_test
async def test_the_approved_action_is_performed(tmp_path: Path) -> None:
    notes, result = await ran(tmp_path, line("make"), line("make"))
    assert notes.performed == [line("make")]
    assert result.status == "completed"


@pytest.mark.parametrize(
    "started", [line("make; ./evil.sh"), line("make", escalated=True)], ids=["line", "escalation"]
)
@trio_test
async def test_another_action_is_not_and_the_model_gets_the_reason(
    tmp_path: Path, started: RunCommand
) -> None:
    notes, result = await ran(tmp_path, line("make"), started)
    assert notes.performed == []
    assert result.status == "failed"
    assert "not run" in result.model_text
