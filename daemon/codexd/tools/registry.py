"""The port to tools: what the model is told of them, what its calls come to, and who performs them.

Reading a call and performing it are two steps with the log between them: `read_call` turns arguments
into an action, on which the core decides whether to ask a person; only when `tool.started` is in the log
does `perform` act on it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from codexd.core.values.tool_actions import BadCall, ToolAction, ToolResult


class CallContext(msgspec.Struct, frozen=True):
    """What a tool may know of the thread that calls it."""

    cwd: str  # absolute
    thread_id: str
    call_id: str
    guarded: bool = False  # it runs unasked, because it only reads, and must start nothing else


class OutputSink(Protocol):
    """Where a running tool leaves its output. Neither call waits or fails for a slow screen."""

    def started(self, pid: int, start_time: str) -> None:
        """A process runs. `start_time` tells it from a later one with the same pid."""

    def output(self, chunk: bytes) -> None:
        """More output, raw, as it came."""


class Tool(Protocol):
    """One tool. A new one is a file beside this one, and a line in `app.py`."""

    @property
    def name(self) -> str:
        """The name by which the model calls it."""

    @property
    def declaration(self) -> bytes:
        """What the model is told, as an encoded member of a Responses request's `tools`."""

    def read_call(self, arguments: str, context: CallContext) -> ToolAction:
        """What a call asks for. Never raises: arguments that cannot be read are a `BadCall`."""


class Performer(Protocol):
    """Performs an action to its end."""

    async def perform(
        self, action: ToolAction, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        """Run it. Cancelling it ends everything that it started, and leaves no process behind.

        Failures of the tool are results, not exceptions: the model is told and goes on.
        """


class Registry:
    """The tools of a thread, by name."""

    def __init__(
        self, tools: tuple[Tool, ...], performer: Performer, showing: tuple[Tool, ...] = ()
    ) -> None:
        """`showing`: those that answer with images, for models that read them."""
        self._tools = {tool.name: tool for tool in (*tools, *showing)}
        self.performer = performer
        self.declarations = tuple(tool.declaration for tool in tools)
        self._with_images = tuple(tool.declaration for tool in (*tools, *showing))

    def declared_to(self, *, reads_images: bool) -> tuple[bytes, ...]:
        """The declarations that a model is sent."""
        return self._with_images if reads_images else self.declarations

    def read_call(self, name: str, arguments: str, context: CallContext) -> ToolAction:
        """What a call by that name asks for; a `BadCall` where there is no such tool."""
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(sorted(self._tools))
            return BadCall(reason=f"unsupported call: {name}. The tools here are: {known}.")
        return tool.read_call(arguments, context)
