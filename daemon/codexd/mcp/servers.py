"""All MCP servers of config.toml: they follow the file, are started on first use, and their tools are in the registries."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec
import trio

from codexd.config.keys import Config
from codexd.config.mcp_table import McpServerTable
from codexd.mcp.catalog import ServerTool, model_names
from codexd.mcp.server import McpServer, State, Ways

log = logging.getLogger(__name__)


class Update(msgspec.Struct, frozen=True):
    """A change of a server's state, for clients."""

    name: str
    state: State
    error: str | None = None


class OfferedTool(msgspec.Struct, frozen=True):
    """A tool of a server, under the name that models call it by."""

    name: str
    server: str
    tool: ServerTool


class Offering(Protocol):
    """Where tools are offered to models."""

    def offer(self, tools: tuple[OfferedTool, ...]) -> None:
        """These, in this order, and no others of MCP servers."""


class _Running(msgspec.Struct, frozen=True):
    server: McpServer
    scope: trio.CancelScope


class Servers:
    """The servers of a daemon."""

    def __init__(
        self, config: Callable[[], Config], ways: Ways, tell: Callable[[Update], None]
    ) -> None:
        """`tell` is called with each change of a state."""
        self._config, self._ways, self._tell = config, ways, tell
        self._built_of: Mapping[str, McpServerTable] = {}
        self._running: dict[str, _Running] = {}
        self._told: dict[str, Update] = {}
        self._offered: tuple[OfferedTool, ...] = ()
        self.offerings: tuple[Offering, ...] = ()  # filled by the composition root
        self._start: Callable[[McpServer, trio.CancelScope], None] | None = None
        self._spawn: Callable[[Callable[[], Awaitable[None]]], None] | None = None

    async def run(self) -> None:
        """Own the connections, for as long as the daemon runs."""
        async with trio.open_nursery() as nursery:

            def start(server: McpServer, scope: trio.CancelScope) -> None:
                nursery.start_soon(_run, server, scope)

            self._start, self._spawn = start, nursery.start_soon
            for running in self._running.values():
                start(*msgspec.structs.astuple(running))
            try:
                await trio.sleep_forever()
            finally:
                self._start = self._spawn = None

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task beside the connections, for example a login. It ends with the daemon."""
        assert self._spawn is not None, "the daemon runs"
        self._spawn(task)

    @property
    def names(self) -> Mapping[tuple[str, str], str]:
        """By server and tool: the name by which models call it."""
        return {(offered.server, offered.tool.name): offered.name for offered in self._offered}

    @property
    def all(self) -> tuple[McpServer, ...]:
        """The servers, by name."""
        self._follow_config()
        return tuple([self._running[name].server for name in sorted(self._running)])

    @property
    def has_resources(self) -> bool:
        """Whether a server has resources to offer."""
        return any(
            running.server.identity is not None and running.server.identity.has_resources
            for running in self._running.values()
        )

    def find(self, name: str) -> McpServer | None:
        """A server by its name in config.toml."""
        self._follow_config()
        running = self._running.get(name)
        return None if running is None else running.server

    def begin(self) -> None:
        """A thread begins: start what was not started, and what could not be."""
        for server in self.all:
            server.want(again=True)

    async def ready(self) -> str | None:
        """Start what was not started, and wait for it; why a turn cannot begin, if it cannot."""
        servers = self.all
        for server in servers:
            server.want()
        for server in servers:
            await server.settled()
        missing = [
            server for server in servers if server.table.required and server.state != "connected"
        ]
        if not missing:
            return None
        why = "; ".join(f"{server.name}: {server.error or server.state}" for server in missing)
        return (
            f"An MCP server that config.toml requires is not available ({why}). Nothing was sent."
        )

    def reload(self) -> None:
        """Follow config.toml, and try again what has failed."""
        for server in self.all:
            if server.state in ("failed", "authenticationRequired", "cancelled"):
                server.want(again=True)

    def restart(self, name: str) -> None:
        """Begin again with a server, for example after a login."""
        running = self._running.pop(name, None)
        if running is not None:
            running.scope.cancel()
        self._built_of = {}
        self._follow_config()

    def _follow_config(self) -> None:
        tables = self._config().mcp_servers
        if tables is self._built_of:
            return
        self._built_of = tables
        for name in list(self._running):
            if self._running[name].server.table != tables.get(name):
                self._running.pop(name).scope.cancel()
                self._told.pop(name, None)
        for name, table in tables.items():
            if name not in self._running:
                server = McpServer(name, table, self._ways, self._changed)
                running = self._running[name] = _Running(server, trio.CancelScope())
                if self._start is not None:
                    self._start(running.server, running.scope)
        self._offer()

    def _changed(self, server: McpServer) -> None:
        running = self._running.get(server.name)
        if running is None or running.server is not server:
            return  # It makes way for another one.
        update = Update(server.name, server.state, server.error)
        if self._told.get(server.name) != update:
            self._told[server.name] = update
            self._tell(update)
        self._offer()

    def _offer(self) -> None:
        """Put the tools of all servers into the registries, in the order of their names."""
        tools = {
            (server.name, tool.name): tool
            for server in (running.server for running in self._running.values())
            for tool in (server.catalog.tools if _is_used(server) else ())
            if server.table.allows(tool.name)
        }
        offered = tuple(
            [
                OfferedTool(name, identity[0], tools[identity])
                for identity, name in model_names(tools).items()
            ]
        )
        if offered != self._offered:
            self._offered = offered
            for offering in self.offerings:
                offering.offer(offered)


def _is_used(server: McpServer) -> bool:
    """Whether its tools are offered: a server that has ended is started again by a call."""
    return server.state in ("connected", "starting") or server.comes_back


async def _run(server: McpServer, scope: trio.CancelScope) -> None:
    with scope:
        await server.run()
