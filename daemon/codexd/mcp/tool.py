"""The tools of MCP servers as tools of the daemon.

McpTool        one tool of a server: its declaration, and how its calls are read
McpCalls       makes the calls of all servers, also those of a call that is repeated after a restart
RegistryOffer  keeps the registry of one world in line with what the servers list
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
import trio

from codexd.core.policy.mcp_rules import may_repeat
from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, McpToolCall, ToolAction, ToolResult
from codexd.mcp.catalog import declaration
from codexd.mcp.connection import Answered, Asked, LoginNeeded, ServerError, SessionLost, TimedOut
from codexd.mcp.resource_tools import OWN_CALLS, RESOURCE_TOOLS, ResourceTool, read_resources
from codexd.mcp.results import BadResult, KeepImage, tool_result
from codexd.mcp.servers import OfferedTool, Servers
from codexd.protocol.display.visible import visible_line
from codexd.tools.registry import CallContext, CallSink, Registry

# The tool that makes all calls. It is offered to no model.
CALLS: Final = "mcp"
# Arguments of one call: a file's text fits. They are in the log, in a question, and in the model's history.
ARGUMENTS_BYTES_MAX: Final = 1024 * 1024
PROGRESS_CHARACTERS_MAX: Final = 500


class Audience(Protocol):
    """The people who follow a thread."""

    def progress(self, context: CallContext, message: str) -> None:
        """Show how far a call is."""

    async def ask(self, context: CallContext, server: str, asked: Asked) -> Answered:
        """Ask a question of a server; waits until somebody answers."""


class McpTool:
    """One tool of one server."""

    features = frozenset({"mcp_servers"})

    def __init__(self, offered: OfferedTool, servers: Servers) -> None:
        self.name, self._of, self._servers = offered.name, offered, servers
        self._declaration = declaration(offered.tool, offered.name)

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered to every thread, and never to a reviewer, which only reads the work."""
        return self._declaration if thread.reviews is None else None

    def read_call(self, arguments: str, context: CallContext) -> McpToolCall | BadCall:
        server = self._servers.find(self._of.server)
        if server is None:
            return BadCall(f"{self.name} was not called: its MCP server is gone.")
        read = read_arguments(self.name, arguments)
        if isinstance(read, BadCall):
            return read
        hints = self._of.tool.hints
        return McpToolCall(
            server=self._of.server,
            tool=self._of.tool.name,
            arguments=read,
            hints=hints,
            mode=server.table.approval_mode(self._of.tool.name),
            title=self._of.tool.title,
            parallel=server.table.supports_parallel_tool_calls or bool(hints.read_only),
        )

    async def perform(self, action: ToolAction, context: CallContext, sink: CallSink) -> ToolResult:
        raise AssertionError("the calls of all servers are made by one tool")


def read_arguments(name: str, arguments: str) -> str | BadCall:
    """The arguments of a call, a JSON object; none are an empty one."""
    text = arguments.strip() or "{}"
    if len(text.encode(errors="replace")) > ARGUMENTS_BYTES_MAX:
        return BadCall(
            f"{name} was not called: its arguments have more than {ARGUMENTS_BYTES_MAX} bytes."
        )
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return BadCall(
            f"{name} was not called: expected its arguments as a JSON object, found what is none ({error})."
        )
    return text


class McpCalls:
    """Makes the calls of all servers."""

    name = CALLS

    def __init__(self, servers: Servers, keep: KeepImage, audience: Audience) -> None:
        self._servers, self._keep, self._audience = servers, keep, audience

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        return None

    def read_call(self, arguments: str, context: CallContext) -> BadCall:
        return BadCall(
            f"unsupported call: {CALLS}. Call the tools of MCP servers by their own names."
        )

    async def perform(
        self, action: McpToolCall, context: CallContext, sink: CallSink
    ) -> ToolResult:
        """Make the call to its end. A call that may be repeated is made once more where its server has ended."""
        started = trio.current_time()
        try:
            encoded = await self._made(action, context)
            return await tool_result(encoded, self._keep, _ms_since(started))
        except LoginNeeded as needed:
            return _failed(str(needed), started)
        except ServerError as error:
            return _failed(f"{action.server}.{action.tool} failed: {error}", started)
        except TimedOut as error:
            return _failed(
                f"{action.server}.{action.tool}: {error}. The server was told to stop; whether it did something is "
                "unknown.",
                started,
            )
        except SessionLost as error:
            return _failed(
                f"{action.server}.{action.tool}: the connection to the MCP server was lost before it answered "
                f"({error}). Whether the call was carried out is unknown.",
                started,
            )
        except BadResult as error:
            return _failed(f"{action.server}.{action.tool}: {error}", started)

    async def _made(self, action: McpToolCall, context: CallContext) -> bytes:
        call = _Call(self._audience, context, action.server)
        if (action.server, action.tool) in OWN_CALLS:
            return await read_resources(self._servers, action, call)
        server = self._servers.find(action.server)
        if server is None or not server.table.allows(action.tool):
            raise ServerError(
                "config.toml has no such server, or does not enable this tool; nothing was done"
            )
        arguments = msgspec.json.decode(action.arguments, type=dict[str, object])
        try:
            if context.task is not None:
                return await server.take_up(context.task, call)
            return await server.call(action.tool, arguments, call)
        except SessionLost:
            if call.task_id is not None:
                return await server.take_up(call.task_id, call)
            if not may_repeat(action):
                raise
            return await server.call(action.tool, arguments, call)


class _Call:
    """A call's way to the people who follow its thread."""

    def __init__(self, audience: Audience, context: CallContext, server: str) -> None:
        self._audience, self._context, self._server = audience, context, server
        self.task_id = context.task
        self.is_awaited = context.is_awaited

    def progress(self, message: str) -> None:
        self._audience.progress(self._context, visible_line(message, PROGRESS_CHARACTERS_MAX))

    async def ask(self, asked: Asked) -> Answered:
        return await self._audience.ask(self._context, self._server, asked)

    async def keep_task(self, task_id: str) -> None:
        await self._context.keep_task(task_id)
        self.task_id = task_id


class RegistryOffer:
    """The registry of one world, with the tools of the servers in it."""

    def __init__(self, registry: Registry, servers: Servers, calls: McpCalls) -> None:
        self._registry, self._servers = registry, servers
        self._names: list[str] = []
        registry.add(calls)

    def offer(self, tools: tuple[OfferedTool, ...]) -> None:
        """In the order of the names, so that a request has the same bytes whichever server was ready first."""
        for name in self._names:
            self._registry.remove(name)
        self._names = []
        if self._servers.has_resources:
            self._add(*[ResourceTool(name) for name in RESOURCE_TOOLS])
        self._add(*[McpTool(tool, self._servers) for tool in tools])

    def _add(self, *tools: McpTool | ResourceTool) -> None:
        for tool in tools:
            self._registry.add(tool)
            self._names.append(tool.name)


def _failed(text: str, started: float) -> ToolResult:
    return ToolResult("failed", text, duration_ms=_ms_since(started))


def _ms_since(started: float) -> int:
    return round((trio.current_time() - started) * 1000)
