"""One configured server: started on first use, one process or session for all threads.

    not started → starting → connected ─ ended ─▶ failed     it is started again when it is next used
                     └──────▶ failed                         it stays so until a reload, a login, or a new thread

One task, `run`, owns the connection; other tasks wait for it and call its tools.
Law: nothing that a server does ends the daemon, or holds up more than the calls of this server.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import trio

from codexd.config.mcp_table import McpServerTable
from codexd.exec.ports import NotStarted, ServerProcess
from codexd.mcp.catalog import Catalog, read_catalog
from codexd.mcp.connection import (
    RELIST_SECONDS,
    Call,
    Identity,
    LoginNeeded,
    OpenSession,
    ServerError,
    Session,
    SessionGone,
    SessionLost,
    TimedOut,
    load_sdk,
    ours,
)
from codexd.protocol.display.visible import visible_line

if TYPE_CHECKING:
    from mcp.client._transport import Transport

    from codexd.mcp.stdio import Pipes

log = logging.getLogger(__name__)

State = Literal[
    "notStarted",
    "starting",
    "connected",
    "authenticationRequired",
    "failed",
    "cancelled",
    "disabled",
]
# The end of a pipe is seen at once. Over HTTP a session may outlive the answer of one request.
SEEN_SECONDS_MAX: Final = 1.0
# A server that was connected before and then could not be started is tried again when it is used, but not
# with every turn, since each waits for it.
RETRY_SECONDS: Final = 10.0
# Of what a server wrote to stderr, in the reason why it failed.
ERRORS_SHOWN_MAX: Final = 300


class Ways(Protocol):
    """How servers are reached; the composition root fills it, and tests fill their own."""

    async def start(self, name: str, table: McpServerTable) -> ServerProcess:
        """The process of a server. Raises: NotStarted."""

    def http(self, name: str, table: McpServerTable) -> HttpSession:
        """The way to a server over HTTP. Raises: LoginNeeded."""


class HttpSession(Protocol):
    """The way to a server over HTTP, for one session."""

    refused: bool  # the server has answered that it wants a login
    gone: trio.Event  # the server knows the session no more

    def transport(self) -> Transport: ...

    async def aclose(self) -> None: ...


class McpServer:
    """One server."""

    def __init__(
        self, name: str, table: McpServerTable, ways: Ways, changed: Callable[[McpServer], None]
    ) -> None:
        """`changed` is called after each change of the state or of the tools."""
        self.name, self.table = name, table
        self.state: State = "notStarted" if table.enabled else "disabled"
        self.error: str | None = None  # why it failed
        self.catalog = Catalog()
        self.identity: Identity | None = None
        self._ways, self._changed = ways, changed
        self._session: Session | None = None
        self._wanted, self._settled = trio.Event(), trio.Event()
        self._list_changed, self._session_over = trio.Event(), trio.Event()
        self._attempt_over = trio.Event()
        self._was_connected, self._ever_connected = False, False
        self._over_at = 0.0  # when the last connection, or the attempt at one, was over

    # What other tasks do

    @property
    def comes_back(self) -> bool:
        """Whether it was connected, has ended, and is started again when it is next used."""
        return self.state == "failed" and self._was_connected

    @property
    def _is_due(self) -> bool:
        waited = trio.current_time() - self._over_at
        return self.state == "failed" and self._ever_connected and waited >= RETRY_SECONDS

    def want(self, *, again: bool = False) -> None:
        """Start it if it was not started; `again`: also if its start has failed."""
        failed = self.state in ("failed", "authenticationRequired", "cancelled")
        if self.state == "notStarted" or self.comes_back or self._is_due or (again and failed):
            self._set("starting")
            self._settled = trio.Event()
            self._wanted.set()

    async def settled(self) -> None:
        """Wait while it starts."""
        while self.state == "starting":
            await self._settled.wait()

    async def session(self) -> Session:
        """Its session; it is started if need be. Raises: ServerError, LoginNeeded."""
        if self.state == "connected" and self._session is None:
            await self._attempt_over.wait()  # It is being put away.
        self.want()
        await self.settled()
        if self._session is None:
            why = self.error or f"it is {self.state}"
            error = LoginNeeded if self.state == "authenticationRequired" else ServerError
            raise error(f"the MCP server {self.name} is not available: {why}")
        return self._session

    async def call(self, tool: str, arguments: Mapping[str, Any], call: Call) -> bytes:
        """Call a tool; its result as JSON. Raises: ServerError, SessionLost, TimedOut, LoginNeeded."""
        session = await self.session()
        try:
            return await session.call(tool, arguments, call, self.table.tool_seconds)
        except SessionGone:  # It was not carried out.
            await self._left(session)
            session = await self.session()
            return await session.call(tool, arguments, call, self.table.tool_seconds)
        except SessionLost:
            await self._left(session)
            raise

    async def take_up(self, task_id: str, call: Call) -> bytes:
        """The result of a task that a call before has begun. Raises: as `call`."""
        session = await self.session()
        try:
            return await session.take_up(task_id, call, self.table.tool_seconds)
        except SessionLost:
            await self._left(session)
            raise

    async def _left(self, session: Session) -> None:
        """Wait until the task of this server has seen that a session is lost, so that the next call gets another."""
        with trio.move_on_after(SEEN_SECONDS_MAX):
            while self._session is session:
                await self._session_over.wait()

    def tools_changed(self) -> None:
        """Its list of tools is another one now."""
        self._list_changed.set()

    # What its own task does

    async def run(self) -> None:
        """Connect when it is wanted, again and again, until the task is cancelled."""
        try:
            async with trio.open_nursery() as endings:
                while True:
                    await self._wanted.wait()
                    self._wanted = trio.Event()
                    await self._attempt(endings)
        finally:
            if self.state in ("starting", "connected"):
                self._set("cancelled")
            self._settled.set()

    async def _attempt(self, endings: trio.Nursery) -> None:
        """One connection, from its start to its end."""
        self._was_connected = False
        self._attempt_over = trio.Event()
        try:
            reason = await self._connected(endings)
            log.warning("MCP server %s: %s", self.name, reason)
            self._set("failed", reason)
        except LoginNeeded as needed:
            self._set("authenticationRequired", str(needed))
        except NotStarted as error:
            self._set("failed", f"{self.table.command} could not be started: {error}")
        except (ServerError, SessionLost, TimedOut) as error:
            log.warning("MCP server %s was not started: %s", self.name, error)
            self._set("failed", str(error))
        except Exception:
            # As around an effect: a server must not end the daemon.
            log.exception("MCP server %s: the connection failed inside the daemon", self.name)
            self._set("failed", "the connection failed inside the daemon; its log says where")
        finally:
            self._over_at = trio.current_time()
            self._settled.set()
            self._attempt_over.set()

    async def _connected(self, endings: trio.Nursery) -> str:
        """Connect, and stay until the end; why it ended. Raises: as above."""
        await trio.to_thread.run_sync(load_sdk)
        with trio.CancelScope() as starting:
            starting.deadline = trio.current_time() + self.table.startup_seconds
            if self.table.url is not None:
                return await self._over_http(starting)
            try:
                return await self._over_pipes(starting, endings, modern=False)
            except ServerError:
                if self._was_connected:
                    raise
                # It may know only the newest protocol.
                return await self._over_pipes(starting, endings, modern=True)
        raise TimedOut(f"it was not ready within {self.table.startup_seconds:g} s")

    async def _over_http(self, starting: trio.CancelScope) -> str:
        way = self._ways.http(self.name, self.table)
        try:
            return await self._over(way.transport(), way.gone, starting, modern=True)
        except Exception as error:
            if way.refused:
                raise LoginNeeded(f"it wants a login: codexctl mcp login {self.name}") from error
            raise
        finally:
            with trio.move_on_after(1, shield=True):
                await way.aclose()

    async def _over_pipes(
        self, starting: trio.CancelScope, endings: trio.Nursery, *, modern: bool
    ) -> str:
        from codexd.mcp.stdio import Pipes

        process = await self._ways.start(self.name, self.table)
        pipes = Pipes(self.name, process.input_fd, process.output_fd)
        try:
            await self._over(pipes, pipes.ended, starting, modern=modern)
            return self._how_it_ended(pipes, process)
        except SessionLost as lost:
            raise SessionLost(self._how_it_ended(pipes, process)) from lost
        finally:
            pipes.close()
            endings.start_soon(process.end)

    def _how_it_ended(self, pipes: Pipes, process: ServerProcess) -> str:
        how = pipes.problem or "it ended"
        if pipes.given_up:
            return how
        words = visible_line(process.errors().strip()[-ERRORS_SHOWN_MAX:], ERRORS_SHOWN_MAX)
        return f"{how}; its last words: {words}" if words else how

    async def _over(
        self,
        transport: Transport,
        ended: trio.Event,
        starting: trio.CancelScope,
        *,
        modern: bool,
    ) -> str:
        try:
            async with AsyncExitStack() as stack:
                # The calls: they end before the session does.
                calls = await stack.enter_async_context(trio.open_nursery())
                stack.callback(calls.cancel_scope.cancel)
                opening = OpenSession(transport, self, calls, modern=modern)
                session = await stack.enter_async_context(opening)
                self.identity = session.identity
                await self._list(session)
                starting.deadline = float("inf")
                self._session, self._was_connected, self._ever_connected = session, True, True
                self._session_over = trio.Event()
                self._set("connected")
                self._settled.set()
                calls.start_soon(self._follow_list, session)
                await ended.wait()
        except Exception as error:
            raise ours(error) from error
        finally:
            self._session = None
            self._session_over.set()
        return "it ended"

    async def _list(self, session: Session) -> None:
        assert self.identity is not None
        self._list_changed = trio.Event()
        entries = await session.tools() if self.identity.has_tools else []
        catalog = read_catalog(entries)
        if catalog.left_out is not None and catalog.left_out != self.catalog.left_out:
            log.warning("MCP server %s: %s", self.name, catalog.left_out)
        self.catalog = catalog

    async def _follow_list(self, session: Session) -> None:
        """Read the list again each time it has changed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.follow_tools, self)
            while True:
                await self._list_changed.wait()
                try:
                    with trio.fail_after(self.table.startup_seconds):
                        await self._list(session)
                except (ServerError, SessionLost, TimedOut, trio.TooSlowError) as error:
                    log.warning(
                        "MCP server %s: its tools were not listed again: %s", self.name, error
                    )
                self._changed(self)
                await trio.sleep(RELIST_SECONDS)

    def _set(self, state: State, error: str | None = None) -> None:
        self.state, self.error = state, error
        self._changed(self)
