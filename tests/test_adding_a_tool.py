"""A tool is added by what AGENTS.md says, and by nothing else: one struct, one row, one object in the registry.

Everything else has it by that: models are told of it, people are asked about it, screens and searches show it, and
a restart makes of it what its row says.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from codexd.core import commands as c
from codexd.core.events.record import Recorded, decode_record
from codexd.core.events.tools import ToolEnded, ToolStarted
from codexd.core.policy.action_hash import action_hash
from codexd.core.policy.action_kinds import KINDS, ActionKind, Approval
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.model_output import (
    CallMade,
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
    ResponseStarted,
)
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import BadCall, ToolAction, ToolResult
from codexd.core.values.traits import Traits
from codexd.index.build.documents import COMMAND, Document, documents_in
from codexd.models.client import ModelRequest, ModelStream, RetryBudget
from codexd.protocol.wire.framing import Lines
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.ports import World
from codexd.runtime.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.effects.perform import perform
from codexd.runtime.supervisor import Supervisor
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame, Questions, Reader
from codexd.server.feed.outbox import AllUnread, Outbox
from codexd.server.feed.reviews import RunningReviews
from codexd.tools.registry import CallContext, OutputSink, Registry
from codexd_eventstore.memory.store import MemoryStore
from codexd_frontends.cli.questions import read_question
from codexd_frontends.client.messages import read_message
from codexd_frontends.screen.render import TerminalScreen
from trio_test import trio_test

THREAD = ThreadId("01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60")
SETTINGS = Settings("/work", "m", "p", approval_policy="untrusted", sandbox="read-only")


# What somebody writes who adds a tool: a struct in `core/values/tool_actions.py`, ...
class Greet(ToolAction, msgspec.Struct, frozen=True, tag="greet", tag_field="kind"):
    """Greet somebody."""

    name: str


# ... a row in `core/policy/action_kinds.py`, ...
ROW = ActionKind(
    action=Greet,
    line=lambda action: f"greet {action.name}",
    after_crash="repeat",
    approval=Approval(
        reason=lambda settings, action, _: "It speaks to people.",
        request="item/commandExecution/requestApproval",
    ),
    found_as="command",
)


# ... and a file in `tools/`, whose object `app.py` gives to the registry.
class GreetTool:
    """The tool."""

    name = "greet"

    def __init__(self) -> None:
        self.performed: list[CallContext] = []
        self.may_end = trio.Event()

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        return b'{"type":"function","name":"greet"}'

    def read_call(self, arguments: str, context: CallContext) -> Greet | BadCall:
        return msgspec.json.decode(arguments, type=Greet)

    async def perform(self, action: Greet, context: CallContext, sink: OutputSink) -> ToolResult:
        self.performed.append(context)
        await self.may_end.wait()
        return ToolResult("completed", f"Hello, {action.name}!")


@pytest.fixture(autouse=True)
def row() -> Iterator[None]:
    KINDS["greet"] = ROW
    yield
    del KINDS["greet"]


class Model:
    """It calls the tool once, and then has nothing to say."""

    budget = RetryBudget(0, 0)

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelStream]:
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        yield Answer([CALL] if len(self.requests) == 1 else [])


ARGUMENTS = '{"name":"Ann"}'
CALL = ModelItemDone(
    ItemId("fc"),
    "call",
    msgspec.Raw(
        msgspec.json.encode(
            {"type": "function_call", "call_id": "c", "name": "greet", "arguments": ARGUMENTS}
        )
    ),
    CallMade("c", "greet", ARGUMENTS),
)


class Answer:
    """All of an answer in one read."""

    def __init__(self, items: list[ModelItemDone]) -> None:
        ended = ModelResponseDone(None, None)
        self._left: list[list[ModelEvent]] = [[ResponseStarted(None, {}), *items, ended]]

    async def receive(self) -> list[ModelEvent]:
        await trio.lowlevel.checkpoint()
        return self._left.pop() if self._left else []


class Connected:
    """Whoever is connected, as the feed knows them."""

    any = True
    reviews = RunningReviews(lambda thread_id: None)

    def tell(self, frame: Frame, thread_id: ThreadId) -> None: ...

    def forget(self, thread_id: ThreadId) -> None: ...


class House:
    """A daemon without its socket: a thread, the model that it asks, and one client that follows."""

    def __init__(self, folder: Path) -> None:
        self.model, self.tool, self.store = Model(), GreetTool(), MemoryStore()
        self._folder = folder

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[ThreadActor, socket.socket]]:
        """The thread, loaded or new, and what its client can read; at the end it dies."""
        world = World(
            store=self.store,
            client=lambda provider: self.model,
            traits=lambda name: Traits(),
            registry=Registry(self.tool),
            unfinished=UnfinishedFiles(self._folder / "unfinished"),
            processes=ProcessFiles(self._folder / "processes"),
            instructions="Be brief.",
        )
        feed = Feed(THREAD, Connected(), Questions(0), lambda: 0)
        supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: feed, perform)
        here, there = socket.socketpair()
        there.setblocking(False)
        here.setblocking(False)
        with here, there:
            async with trio.open_nursery() as nursery:
                await nursery.start(supervisor.run)
                if self.model.requests:
                    thread = await supervisor.load(THREAD)
                else:
                    begin = c.StartThread(settings=SETTINGS, originator="t", daemon_version="0")
                    thread = await supervisor.start(THREAD, begin, by=None, key=None)
                feed.follow(Reader(Lines(), lines=True), Outbox(here, AllUnread()))
                yield thread, there
                nursery.cancel_scope.cancel()

    async def records(self) -> list[Recorded]:
        return [decode_record(one.line) for one in await self.store.read(THREAD, limit=500)]


async def ask(thread: ThreadActor) -> None:
    """A turn, until nothing is under way."""
    await thread.submit(
        c.StartTurn(turn_id=TurnId("t1"), item_id=ItemId("u1"), content=(TextInput("greet Ann"),))
    )
    while thread.state.turn is not None and not thread.state.turn.open_calls:
        await trio.lowlevel.checkpoint()


async def accept(thread: ThreadActor) -> None:
    assert thread.state.turn is not None
    (call,) = thread.state.turn.open_calls
    assert call.approval_id is not None
    await thread.submit(
        c.DecideApproval(
            approval_id=call.approval_id, action_hash=action_hash(Greet("Ann")), decision="accept"
        )
    )


async def settled(thread: ThreadActor) -> None:
    while thread.state.turn is not None:
        await trio.lowlevel.checkpoint()


def read_all(there: socket.socket) -> list[bytes]:
    """The messages that the client was sent."""
    read = b""
    try:
        while chunk := there.recv(65536):
            read += chunk
    except BlockingIOError:
        pass
    return read.splitlines()


def items(messages: list[bytes], method: str) -> list[dict[str, Any]]:
    read = (json.loads(message) for message in messages)
    return [
        {key: value for key, value in one["params"]["item"].items() if not key.endswith("AtMs")}
        for one in read
        if one["method"] == method and one["params"]["item"]["type"] == "dynamicToolCall"
    ]


@trio_test
async def test_the_model_is_told_of_it_and_a_person_is_asked(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house.running() as (thread, there):
        await ask(thread)
        assert house.model.requests[0].tools == (b'{"type":"function","name":"greet"}',)
        assert house.tool.performed == []
        messages = read_all(there)
    question = next(one for one in map(read_message, messages) if one.is_request)
    assert question.method == "item/commandExecution/requestApproval"
    asked = read_question(question)
    assert asked is not None
    assert (asked.request.shell_line, asked.request.own_reason) == (
        "greet Ann",
        "It speaks to people.",
    )
    (begun,) = items(messages, "item/started")
    assert begun == {
        "type": "dynamicToolCall",
        "id": asked.request.item_id,
        "tool": "greet",
        "arguments": json.loads(ARGUMENTS),
        "status": "inProgress",
        "success": None,
        "contentItems": None,
        "durationMs": None,
    }


@trio_test
async def test_once_it_is_allowed_it_is_performed_and_screens_show_it(tmp_path: Path) -> None:
    house, screen = House(tmp_path), TerminalScreen()
    house.tool.may_end.set()
    async with house.running() as (thread, there):
        await ask(thread)
        await accept(thread)
        await settled(thread)
        messages = read_all(there)
    (context,) = house.tool.performed
    assert (context.cwd, context.sandbox.mode, context.again) == (
        "/work",
        "danger-full-access",
        None,
    )
    (ended,) = items(messages, "item/completed")
    assert (ended["status"], ended["contentItems"]) == (
        "completed",
        [{"type": "inputText", "text": "Hello, Ann!"}],
    )
    shown = [piece.text for one in map(read_message, messages) for piece in screen.note(one)]
    assert "".join(shown).splitlines()[:-1] == [
        "› greet Ann",
        '⚒ greet {"name":"Ann"}',
        "  Hello, Ann!",
    ]
    assert b"Hello, Ann!" in house.model.requests[1].input[-1]


@trio_test
async def test_it_is_found_by_its_line(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house.running() as (thread, _):
        await ask(thread)
    found = [one for recorded in await house.records() for one in documents_in(recorded)]
    assert [one.text for one in found if isinstance(one, Document) and one.kind == COMMAND] == [
        "greet Ann"
    ]


@trio_test
async def test_after_a_crash_it_is_performed_once_more_as_its_row_says(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house.running() as (thread, _):
        await ask(thread)
        await accept(thread)
        while not house.tool.performed:
            await trio.lowlevel.checkpoint()
    house.tool.may_end.set()
    async with house.running() as (thread, _):
        await settled(thread)
    assert [context.again for context in house.tool.performed] == [None, "repeat"]
    events = [recorded.event for recorded in await house.records()]
    assert [event.again for event in events if isinstance(event, ToolStarted)] == [None, "repeat"]
    (answered,) = [event for event in events if isinstance(event, ToolEnded)]
    assert answered.result == ToolResult("completed", "Hello, Ann!")
