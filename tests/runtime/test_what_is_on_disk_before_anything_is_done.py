"""Write before you act: at the moment of an act its intent is on the disk, so that a power cut then leaves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from builders import SETTINGS
from codexd.core import commands as c
from codexd.core.events.events import Event, ModelCallStarted, Unknown
from codexd.core.events.record import decode_record
from codexd.core.events.tools import ApprovalDecided, ToolStarted
from codexd.core.policy.approval import action_hash
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.limits import Traits
from codexd.core.values.model_output import (
    ModelItemDone,
    ModelResponseDone,
    ModelToolCall,
    ResponseStarted,
)
from codexd.core.values.settings import ApprovalPolicy
from codexd.core.values.tool_actions import RunCommand, ToolAction, ToolResult
from codexd.models.client import ModelError, ModelRequest, ModelStream, RetryBudget
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.ports import World
from codexd.runtime.effects.perform import perform
from codexd.runtime.supervisor import Supervisor
from codexd.tools.registry import CallContext, OutputSink, Registry
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore
from simulated_files import SimulatedFileSystem
from simulated_power import AllLost, after_power_cut
from trio_test import trio_test

THREAD = ThreadId("019aa8f0-0000-7000-8000-000000000001")
DATA, STATE = "/disk/data", "/disk/state"
CALLS = ("one", "two")

_json = msgspec.json.Encoder().encode


class Disk:
    """What a machine would find if the power was cut now."""

    def __init__(self) -> None:
        self.files = SimulatedFileSystem()

    def events(self) -> list[Event | Unknown]:
        """What is in the thread's log."""
        found = after_power_cut(self.files.disk(), AllLost())
        path = Layout(found, DATA).log(THREAD)
        state = found.state(path)
        if state is None:
            return []
        lines = found.read_range(path, 0, state.size_bytes).split(b"\n")[:-1]
        return [decode_record(line).event for line in lines]


class Acting:
    """A model and a tool that look at the disk before they do anything."""

    name, declaration = "look", b'{"type":"function","name":"look"}'
    budget = RetryBudget(1, 1)

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.asked: list[
            tuple[str, int]
        ] = []  # the newest call on the disk when the model is asked
        self.run: list[ToolAction] = []  # the tool calls that were, when they were run
        self.decided: list[str] = []  # and the decisions
        self._left = [*reversed(CALLS)]

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelStream]:
        """Fail at first; then answer with a tool call, as long as there is one."""
        calls = [event for event in self._disk.events() if isinstance(event, ModelCallStarted)]
        self.asked.append((calls[-1].call_id, calls[-1].attempt))
        if len(self.asked) == 1:
            raise ModelError("busy", info="serverOverloaded", at="request", retry=True, after_ms=1)
        yield Answer(self._left.pop() if self._left else None)

    def offered(self, traits: Traits, thread: ThreadState) -> bytes:
        """What the model is told."""
        return self.declaration

    def read_call(self, arguments: str, context: CallContext) -> RunCommand:
        """What `arguments` names."""
        return RunCommand(arguments, (arguments,), "/w", 1000)

    async def perform(
        self, action: RunCommand, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        """Run nothing."""
        await trio.lowlevel.checkpoint()
        events = self._disk.events()
        started = [event for event in events if isinstance(event, ToolStarted)]
        assert [event.call_id for event in started][-1:] == [context.call_id]
        assert started[-1].action == action
        self.run.append(action)
        self.decided = [event.decision for event in events if isinstance(event, ApprovalDecided)]
        return ToolResult("completed", "seen", "seen", 0, 1)


class Answer:
    """A tool call, or a last word."""

    def __init__(self, call: str | None) -> None:
        if call is None:
            content = [{"type": "output_text", "text": "done"}]
            members: Any = {"type": "message", "role": "assistant", "content": content}
            item = ModelItemDone(ItemId("m"), "message", msgspec.Raw(_json(members)))
        else:
            members = {"type": "function_call", "call_id": call, "name": "look", "arguments": call}
            made = ModelToolCall(call, "look", call)
            item = ModelItemDone(ItemId(f"i_{call}"), "call", msgspec.Raw(_json(members)), made)
        usage = msgspec.Raw(_json({"input_tokens": 1, "total_tokens": 2}))
        self._left: list[Any] = [
            [ResponseStarted(None, {}), item, ModelResponseDone(None, usage)],
        ]

    async def receive(self) -> list[Any]:
        """All of it at once."""
        await trio.lowlevel.checkpoint()
        return self._left.pop() if self._left else []


class Audience:
    """Nobody."""

    watched = False

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def a_world(store: EventStore, acting: Acting, folder: Path) -> World:
    return World(
        store=store,
        client=lambda provider, turn_id: acting,
        traits=lambda name: Traits(),
        registry=Registry(acting),
        unfinished=UnfinishedFiles(folder / "unfinished"),
        processes=ProcessFiles(folder / "processes"),
        instructions="Be brief.",
    )


@pytest.mark.parametrize("asks", [True, False], ids=["with questions", "without"])
@trio_test
async def test_a_request_a_decision_and_a_start_are_on_disk_before_they_are_acted_on(
    asks: bool, tmp_path: Path
) -> None:
    policy: ApprovalPolicy = "untrusted" if asks else "never"
    settings = msgspec.structs.replace(SETTINGS, approval_policy=policy)
    disk = Disk()
    acting = Acting(disk)
    async with open_jsonl_store(DATA, state_dir=STATE, files=disk.files) as store:
        world = a_world(store, acting, tmp_path)
        audience: Any = Audience()
        supervisor = Supervisor(lambda ephemeral: world, lambda thread_id: audience, perform)
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            begin = c.StartThread(settings=settings, originator="t", daemon_version="0")
            thread = await supervisor.start(THREAD, begin, by=None, key=None)
            await thread.submit(
                c.StartTurn(turn_id=TurnId("t1"), item_id=ItemId("u1"), content=(TextInput("go"),))
            )
            while thread.state.turn is not None:
                waiting = [call for call in thread.state.turn.open_calls if call.approval_id]
                for call in waiting:
                    assert call.action is not None
                    assert call.action not in acting.run
                    assert call.approval_id is not None
                    await thread.submit(
                        c.DecideApproval(
                            approval_id=call.approval_id,
                            decision="accept",
                            action_hash=action_hash(call.action),
                        )
                    )
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    # An attempt after a failure is an append of its own, with nothing else in it.
    assert acting.asked == [("t1/1", 1), ("t1/1", 2), ("t1/2", 1), ("t1/3", 1)]
    assert acting.run == [RunCommand(call, (call,), "/w", 1000) for call in CALLS]
    assert acting.decided == (["accept"] * len(CALLS) if asks else [])
