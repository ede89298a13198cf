"""A tool may answer a call and continue: its output is the process's then, and a restart adopts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from codexd.core.events.tools import ProcessEnded, ToolEnded
from codexd.core.policy.action_kinds import KINDS, ActionKind
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ProcessId
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, ToolAction, ToolResult
from codexd.runtime.actor.streaming_output import OUTPUT_INLINE_BYTES_MAX
from codexd.tools.registry import CallContext, CallSink
from tool_house import House, ask, read_all, settled
from trio_test import trio_test

PROCESS = ProcessId("p1")
ANSWER = ToolResult("completed", "It runs as p1.", "ready\n")


class Serve(ToolAction, msgspec.Struct, frozen=True, tag="serve", tag_field="kind"):
    """Serve until it is told to stop."""


class ServeTool:
    """Answers at once, goes on printing, and ends when a test says so."""

    name = "serve"

    def __init__(self, printed: bytes = b"more\n") -> None:
        self.performed: list[CallContext] = []
        self.serving, self.may_end = trio.Event(), trio.Event()
        self._printed = printed

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        return b'{"type":"function","name":"serve"}'

    def read_call(self, arguments: str, context: CallContext) -> Serve | BadCall:
        return Serve()

    async def perform(self, action: Serve, context: CallContext, sink: CallSink) -> ToolResult:
        self.performed.append(context)
        if context.process is None:
            sink.output(b"ready\n")
            await sink.answer(PROCESS, ANSWER)
        sink.output(self._printed)
        self.serving.set()
        await self.may_end.wait()
        text = self._printed.decode()
        return ToolResult("completed", "It is over.", text, output_bytes=len(self._printed))


@pytest.fixture(autouse=True)
def row() -> Iterator[None]:
    KINDS["serve"] = ActionKind(
        action=Serve, line=lambda action: "serve", after_crash="adopt", item="dynamicToolCall"
    )
    yield
    del KINDS["serve"]


async def outcomes(house: House) -> list[ToolEnded | ProcessEnded]:
    events = [recorded.event for recorded in await house.records()]
    return [event for event in events if isinstance(event, ToolEnded | ProcessEnded)]


@trio_test
async def test_the_turn_ends_while_it_continues_and_its_end_is_recorded(tmp_path: Path) -> None:
    house = House(tmp_path, tool := ServeTool(), "{}")
    async with house.running() as (thread, there):
        await ask(thread)
        await settled(thread)
        await tool.serving.wait()
        assert not thread.idle
        (process,) = thread.state.processes
        assert process.process == PROCESS
        (output,) = thread.streaming.outputs.values()
        assert output.text() == "ready\nmore\n"
        tool.may_end.set()
        while thread.state.processes:
            await trio.lowlevel.checkpoint()
        assert not thread.streaming.outputs
        told = [json.loads(line) for line in read_all(there)]
    call, over = await outcomes(house)
    assert isinstance(call, ToolEnded)
    assert (call.result, call.process) == (ANSWER, PROCESS)
    result = ToolResult("completed", "It is over.", "more\n", output_bytes=5, collected_bytes=0)
    assert isinstance(over, ProcessEnded)
    assert (over.process, over.result, over.action) == (PROCESS, result, Serve())
    # Its item is one, from the call to the end of the process, and so is its output.
    methods = [message["method"] for message in told if call.call_id in str(message["params"])]
    assert methods == [
        "item/started",
        "item/commandExecution/outputDelta",
        "item/commandExecution/outputDelta",
        "item/completed",
    ]


@trio_test
async def test_its_output_is_kept_whole(tmp_path: Path) -> None:
    printed = b"a line\n" * OUTPUT_INLINE_BYTES_MAX
    house = House(tmp_path, tool := ServeTool(printed), "{}")
    async with house.running() as (thread, _):
        await ask(thread)
        await tool.serving.wait()
        tool.may_end.set()
        while thread.state.processes:
            await trio.lowlevel.checkpoint()
    (_, over) = await outcomes(house)
    assert over.result.blob is not None
    assert await house.store.read_blob(over.result.blob) == b"ready\n" + printed


@trio_test
async def test_the_next_daemon_adopts_it(tmp_path: Path) -> None:
    house = House(tmp_path, tool := ServeTool(), "{}")
    async with house.running() as (thread, _):
        await ask(thread)
        await tool.serving.wait()
    tool.may_end.set()
    async with house.running() as (thread, _):
        while thread.state.processes:
            await trio.lowlevel.checkpoint()
    assert [(call.again, call.process) for call in tool.performed] == [
        (None, None),
        ("adopt", PROCESS),
    ]
    assert [type(event) for event in await outcomes(house)] == [ToolEnded, ProcessEnded]
