"""The registry: which tools there are, which a model is offered, and which tool performs a call."""

from __future__ import annotations

import msgspec
import pytest

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, ToolAction, ToolResult
from codexd.tools.registry import CallContext, OutputSink, Registry
from screen import Screen
from trio_test import trio_test

CONTEXT = CallContext("/work", "th", "c1")


class Bell(ToolAction, msgspec.Struct, frozen=True, tag="bell", tag_field="kind"):
    """Ring a bell."""

    times: int


class BellTool:
    """A tool of one daemon, told to models that call one tool at a time."""

    def __init__(self, name: str = "bell") -> None:
        self.name = name

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        return None if traits.parallel_tool_calls else self.name.encode()

    def read_call(self, arguments: str, context: CallContext) -> Bell | BadCall:
        return Bell(int(arguments)) if arguments.isdigit() else BadCall("expected a number")

    async def perform(self, action: Bell, context: CallContext, sink: OutputSink) -> ToolResult:
        return ToolResult("completed", f"{self.name} {action.times}")


ONE_BY_ONE = Traits(parallel_tool_calls=False)


def test_a_model_gets_the_offered_tools_in_their_order() -> None:
    registry = Registry(BellTool("b"), BellTool("a"))
    assert registry.offered(ONE_BY_ONE, ThreadState()) == (b"b", b"a")
    assert registry.offered(Traits(), ThreadState()) == ()


@trio_test
async def test_each_call_is_read_and_performed_by_the_tool_of_its_name() -> None:
    registry = Registry(BellTool("a"), BellTool("b"))
    assert registry.read_call("a", "3", CONTEXT) == Bell(3)
    assert registry.read_call("b", "x", CONTEXT) == BadCall("expected a number")
    for name in ("a", "b"):
        result = await registry.perform(name, Bell(3), CONTEXT, Screen())
        assert result.model_text == f"{name} 3"


@trio_test
async def test_tools_come_and_go() -> None:
    registry = Registry()
    registry.add(BellTool())
    assert registry.read_call("bell", "1", CONTEXT) == Bell(1)
    registry.remove("bell")
    assert registry.offered(ONE_BY_ONE, ThreadState()) == ()
    assert isinstance(registry.read_call("bell", "1", CONTEXT), BadCall)
    result = await registry.perform("bell", Bell(1), CONTEXT, Screen())
    text = "not run: the tool bell is gone. Nothing was done."
    assert result == ToolResult("failed", text, text)


def test_no_tool_takes_the_name_of_another() -> None:
    registry = Registry(BellTool())
    with pytest.raises(ValueError, match="another bell"):
        registry.add(BellTool())
