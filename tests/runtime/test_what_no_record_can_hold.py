"""A result or an answer that no record can hold is replaced by an error, and the thread continues.

The bounds of an answer and of a tool's output do not let it come to this; here a provider and a tool have none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from codexd.core import commands as c
from codexd.core.events.events import Event, ModelCallFailed, TurnCompleted, TurnFailed
from codexd.core.events.record import decode_record
from codexd.core.events.tools import ToolEnded
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.limits import Traits
from codexd.core.values.model_output import (
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
    ModelToolCall,
    ResponseStarted,
)
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd.models.client import ModelRequest, ModelStream, RetryBudget
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.effects.perform import perform
from codexd.runtime.supervisor import Supervisor
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame, Questions
from codexd.server.feed.reviews import RunningReviews
from codexd.tools.registry import CallContext, OutputSink, Registry
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import RECORD_BYTES_MAX
from trio_test import trio_test

pytestmark = pytest.mark.slow

THREAD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60")
SETTINGS = Settings("/w", "m", "p", approval_policy="never", sandbox="danger-full-access")
LONG = "x" * RECORD_BYTES_MAX


class Model:
    """Gives these answers, each one item."""

    budget = RetryBudget(5, 5)

    def __init__(self, *answers: ModelItemDone) -> None:
        self.asked = 0
        self._answers = answers

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelStream]:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        yield Answer(self._answers[self.asked - 1])


class Answer:
    """One item."""

    def __init__(self, item: ModelItemDone) -> None:
        ended = ModelResponseDone(None, None)
        self._left: list[list[ModelEvent]] = [[ended], [item], [ResponseStarted(None, {})]]

    async def receive(self) -> list[ModelEvent]:
        await trio.lowlevel.checkpoint()
        return self._left.pop() if self._left else []


class Print:
    """A tool that answers with more than it should."""

    name, declaration = "print", b'{"type":"function","name":"print"}'

    def offered(self, traits: Traits, thread: ThreadState) -> bytes:
        return self.declaration

    def read_call(self, arguments: str, context: CallContext) -> RunCommand:
        return RunCommand(arguments, (), "/w", 1000)

    async def perform(
        self, action: RunCommand, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        await trio.lowlevel.checkpoint()
        return ToolResult("completed", LONG, LONG, 0, 1)


class Nobody:
    any = False
    reviews = RunningReviews(lambda thread_id: None)

    def tell(self, frame: Frame, thread_id: ThreadId) -> None: ...

    def forget(self, thread_id: ThreadId) -> None: ...


def said(text: str) -> ModelItemDone:
    content = [{"type": "output_text", "text": text}]
    item = {"type": "message", "role": "assistant", "content": content}
    return ModelItemDone(ItemId(f"m{len(text)}"), "message", msgspec.Raw(msgspec.json.encode(item)))


def called(arguments: str) -> ModelItemDone:
    item = {
        "type": "function_call",
        "call_id": "c",
        "name": "print",
        "arguments": arguments[:RECORD_BYTES_MAX],
    }
    made = ModelToolCall("c", "print", arguments)
    return ModelItemDone(ItemId("fc"), "call", msgspec.Raw(msgspec.json.encode(item)), made)


async def played(folder: Path, model: Model, prompts: int) -> list[Event]:
    """What the log holds after so many prompts."""
    tool = Print()
    world = World(
        store=MemoryStore(),
        client=lambda provider, turn_id: model,
        traits=lambda name: Traits(),
        registry=Registry(tool),
        unfinished=UnfinishedFiles(folder / "unfinished"),
        processes=ProcessFiles(folder / "processes"),
        instructions="",
    )
    feed = Feed(THREAD, Nobody(), Questions(0), lambda: 0)
    supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        begin = c.StartThread(settings=SETTINGS, originator="t", daemon_version="0")
        thread = await supervisor.start(THREAD, begin, by=None, key=None)
        for n in range(prompts):
            await ask(thread, n)
        records = await world.store.read(THREAD, after=0, limit=500)
        nursery.cancel_scope.cancel()
    events = [decode_record(record.line).event for record in records]
    return [event for event in events if isinstance(event, Event)]


async def ask(thread: ThreadActor, n: int) -> None:
    """A prompt, and the end of its turn; the same actor has served all of it."""
    content = (TextInput("go"),)
    await thread.submit(
        c.StartTurn(turn_id=TurnId(f"t{n}"), item_id=ItemId(f"u{n}"), content=content)
    )
    while not thread.idle:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    "item", [said(LONG), called(LONG[: RECORD_BYTES_MAX - 100])], ids=["an item", "its action"]
)
@trio_test
async def test_an_answer_fails_its_turn_once(tmp_path: Path, item: ModelItemDone) -> None:
    model = Model(item, said("well"))
    events = await played(tmp_path, model, prompts=2)
    (failed,) = [event for event in events if isinstance(event, ModelCallFailed)]
    assert not failed.will_retry
    assert "bytes are over" in failed.error.message
    ends = [type(event) for event in events if isinstance(event, TurnFailed | TurnCompleted)]
    assert ends == [TurnFailed, TurnCompleted]
    assert model.asked == 2


@trio_test
async def test_a_tools_result_is_replaced_by_the_reason_and_its_turn_continues(
    tmp_path: Path,
) -> None:
    model = Model(called("go"), said("well"))
    events = await played(tmp_path, model, prompts=1)
    (ended,) = [event for event in events if isinstance(event, ToolEnded)]
    assert ended.result.status == "failed"
    assert "too large to be kept" in ended.result.model_text
    assert isinstance(events[-1], TurnCompleted)
