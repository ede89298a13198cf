"""A tool is added by what AGENTS.md says, and by nothing else: one struct, one row, one object in the registry.

Everything else has it by that: models are told of it, people are asked about it, screens and searches show it, and
a restart makes of it what its row says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import trio

from codexd.core import commands as c
from codexd.core.events.tools import ToolEnded, ToolStarted
from codexd.core.policy.action_kinds import KINDS, ActionKind, Approval, ApprovalRequest
from codexd.core.policy.approval import action_hash
from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, ToolAction, ToolResult
from codexd.index.build.documents import COMMAND, Document, documents_in
from codexd.runtime.actor.actor import ThreadActor
from codexd.server.feed.asking import PARAMS
from codexd.tools.registry import CallContext, OutputSink
from codexd_frontends.cli.questions import APPROVAL_METHODS, read_question
from codexd_frontends.client.messages import read_message
from codexd_frontends.screen.render import TerminalScreen
from tool_house import House, ask, read_all, settled
from trio_test import trio_test


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


# ... and a file in `tools/`, whose object `tool_set.py` gives to the registry.
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


ARGUMENTS = '{"name":"Ann"}'


async def accept(thread: ThreadActor) -> None:
    assert thread.state.turn is not None
    (call,) = thread.state.turn.open_calls
    assert call.approval_id is not None
    await thread.submit(
        c.DecideApproval(
            approval_id=call.approval_id, action_hash=action_hash(Greet("Ann")), decision="accept"
        )
    )


def items(messages: list[bytes], method: str) -> list[dict[str, Any]]:
    read = (json.loads(message) for message in messages)
    return [
        {key: value for key, value in message["params"]["item"].items() if not key.endswith("AtMs")}
        for message in read
        if message["method"] == method and message["params"]["item"]["type"] == "dynamicToolCall"
    ]


@trio_test
async def test_the_model_is_offered_it_and_a_person_is_asked(tmp_path: Path) -> None:
    house = House(tmp_path, tool := GreetTool(), ARGUMENTS)
    async with house.running() as (thread, there):
        await ask(thread)
        assert house.model.requests[0].tools == (b'{"type":"function","name":"greet"}',)
        assert tool.performed == []
        messages = read_all(there)
    question = next(message for message in map(read_message, messages) if message.is_request)
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
        "namespace": None,
        "tool": "greet",
        "arguments": json.loads(ARGUMENTS),
        "status": "inProgress",
        "success": None,
        "contentItems": None,
        "durationMs": None,
    }


@trio_test
async def test_once_it_is_allowed_it_is_performed_and_screens_show_it(tmp_path: Path) -> None:
    screen = TerminalScreen()
    house = House(tmp_path, tool := GreetTool(), ARGUMENTS)
    tool.may_end.set()
    async with house.running() as (thread, there):
        await ask(thread)
        await accept(thread)
        await settled(thread)
        messages = read_all(there)
    (context,) = tool.performed
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
    shown = [part.text for message in map(read_message, messages) for part in screen.note(message)]
    assert "".join(shown).splitlines()[:-1] == [
        "› go",
        '⚒ greet {"name":"Ann"}',
        "  Hello, Ann!",
    ]
    assert b"Hello, Ann!" in house.model.requests[1].input[-1]


@trio_test
async def test_it_is_found_by_its_line(tmp_path: Path) -> None:
    house = House(tmp_path, GreetTool(), ARGUMENTS)
    async with house.running() as (thread, _):
        await ask(thread)
    found = [doc for recorded in await house.records() for doc in documents_in(recorded)]
    assert [doc.text for doc in found if isinstance(doc, Document) and doc.kind == COMMAND] == [
        "greet Ann"
    ]


@trio_test
async def test_after_a_crash_it_is_performed_once_more_as_its_row_says(tmp_path: Path) -> None:
    house = House(tmp_path, tool := GreetTool(), ARGUMENTS)
    async with house.running() as (thread, _):
        await ask(thread)
        await accept(thread)
        while not tool.performed:
            await trio.lowlevel.checkpoint()
    tool.may_end.set()
    async with house.running() as (thread, _):
        await settled(thread)
    assert [context.again for context in tool.performed] == [None, "repeat"]
    events = [recorded.event for recorded in await house.records()]
    assert [event.again for event in events if isinstance(event, ToolStarted)] == [None, "repeat"]
    (answered,) = [event for event in events if isinstance(event, ToolEnded)]
    assert answered.result == ToolResult("completed", "Hello, Ann!")


def test_each_request_that_a_row_may_name_has_its_parameters_and_is_answered_by_codexctl() -> None:
    requests = set(get_args(ApprovalRequest))
    assert set(PARAMS) == requests
    assert requests <= APPROVAL_METHODS
    asked = {row.approval.request for row in KINDS.values() if row.approval.request is not None}
    assert asked <= requests
