"""A session with one server, through the official SDK. The only file that knows its types; it is imported on first use.

    async with OpenSession(…) as session     the handshake is done
    Session.call(…)  ->  bytes               the server's result as JSON, as the specification has it

What the SDK raises becomes ours here:

    ServerError     the server answered with an error, or with what is no answer
    SessionLost     the connection ended first: whether the request was carried out is unknown
    TimedOut        no answer came in time; the server was told that nobody waits any more
    LoginNeeded     the server wants a login that it was not given
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import trio

from codexd import __version__
from codexd.mcp.catalog import PAGES_MAX, TOOLS_MAX
from codexd.mcp.tasks import NewTask, TaskEnded, task_result, tasks_extension
from codexd.protocol.display.visible import visible_line

if TYPE_CHECKING:
    from mcp.client._transport import Transport
    from mcp.client.session import ClientRequestContext, IncomingMessage
    from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult, ErrorData

    from mcp import Client, ClientSession

# Of a server's own words in an error: some lines.
SAID_CHARACTERS_MAX: Final = 1000
# Entries that are read of a list; of tools fewer are used.
ENTRIES_MAX: Final = 5 * TOOLS_MAX
# A list that changes more often is not read more often.
RELIST_SECONDS: Final = 1.0
# Messages of progress of one call that screens are shown in a second.
PROGRESS_SECONDS: Final = 0.1


# The SDK's words for HTTP status 404 to a request of a session.
SESSION_GONE: Final = "Session terminated"


class ServerError(Exception):
    """The server answered with an error, or with what is no answer."""


class SessionLost(Exception):
    """The connection ended before an answer came."""


class SessionGone(SessionLost):
    """The server knows the session no more, and did nothing."""


class TimedOut(Exception):
    """No answer came in time."""


class LoginNeeded(Exception):
    """The server wants a login."""


class Asked(msgspec.Struct, frozen=True):
    """A question of a server to a person."""

    params: bytes  # the params of `elicitation/create` as JSON


class Answered(msgspec.Struct, frozen=True):
    """The person's answer."""

    action: str  # accept, decline or cancel
    content: dict[str, Any] | None = None


class Call(Protocol):
    """One call, as the session tells of it."""

    def progress(self, message: str) -> None:
        """The server says how far it is."""

    async def ask(self, asked: Asked) -> Answered:
        """The server asks a person."""

    async def keep_task(self, task_id: str) -> None:
        """The server goes on with the call as a task. Returns once its id is on disk."""

    def is_awaited(self) -> bool:
        """Whether its task is to go on where the call is cancelled: its daemon stops."""


class Listener(Protocol):
    """Is told what a server says unasked."""

    def tools_changed(self) -> None:
        """The server's list of tools is another one now."""


class Identity(msgspec.Struct, frozen=True):
    """What a server says of itself, as JSON."""

    info: bytes | None
    capabilities: bytes
    has_tools: bool
    has_resources: bool


_call: ContextVar[_Running | None] = ContextVar("mcp_call", default=None)


def load_sdk() -> None:
    """Import the SDK: half a second. Its log is silenced: it holds what servers write."""
    import mcp.client.client
    import mcp.client.streamable_http  # noqa: F401

    for name in ("mcp", "client", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class _Running:
    """A call under way, in a task of the session: a caller that is cancelled waits for no farewell."""

    def __init__(self, call: Call, seconds: float) -> None:
        self.call, self._seconds = call, seconds
        self.scope = trio.CancelScope()
        self.done = trio.Event()
        self.result: bytes | None = None
        self.error: Exception | None = None
        self.is_awaited = True  # by the next daemon; where it is cancelled, as its caller says then
        self._shown_at = -PROGRESS_SECONDS
        self._asking = 0

    def start_clock(self) -> None:
        self.scope.deadline = trio.current_time() + self._seconds

    async def progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        now = trio.current_time()
        if now - self._shown_at < PROGRESS_SECONDS:
            return
        self._shown_at = now
        self.call.progress(
            message or (f"{progress:g}" if total is None else f"{progress:g} of {total:g}")
        )

    async def ask(self, asked: Asked) -> Answered:
        """Ask a person; the call's time does not run meanwhile."""
        left = self.scope.deadline - trio.current_time()
        self._asking += 1
        self.scope.deadline = float("inf")
        try:
            return await self.call.ask(asked)
        finally:
            self._asking -= 1
            if not self._asking and left != float("inf"):
                self.scope.deadline = trio.current_time() + min(left, self._seconds)

    async def follow(self, session: ClientSession, task: NewTask | str) -> CallToolResult:
        """The result of the call's task, which may take any time; a look at it may take that of a call."""
        self.scope.deadline = float("inf")
        return await task_result(session, task, self.call, self._seconds, lambda: self.is_awaited)


async def _created(task: NewTask, session: ClientSession) -> CallToolResult:
    running = _call.get()
    assert running is not None, "a call of a tool is made by a task of its own"
    return await running.follow(session, task)


class Session:
    """An open session. Its methods may be called by any task."""

    def __init__(self, client: Client, nursery: trio.Nursery, calls: dict[_Running, None]) -> None:
        self._client, self._nursery, self._calls = client, nursery, calls

    @property
    def identity(self) -> Identity:
        """The server's own words about itself."""
        info, capabilities = self._client.server_info, self._client.server_capabilities
        return Identity(
            None if info is None else _json(info),
            _json(capabilities),
            capabilities.tools is not None,
            capabilities.resources is not None,
        )

    async def tools(self) -> list[bytes]:
        """The entries of the list of tools. Raises: ServerError, SessionLost."""
        return await self._pages(self._client.list_tools, "tools")

    async def resources(self) -> list[bytes]:
        """The entries of the list of resources. Raises: ServerError, SessionLost."""
        return await self._pages(self._client.list_resources, "resources")

    async def resource_templates(self) -> list[bytes]:
        """The entries of the list of resource templates. Raises: ServerError, SessionLost."""
        return await self._pages(self._client.list_resource_templates, "resource_templates")

    async def read_resource(self, uri: str, call: Call, seconds: float) -> bytes:
        """The contents of a resource as JSON. Raises: ServerError, SessionLost, TimedOut."""
        return await self._apart(call, seconds, lambda _: self._client.read_resource(uri))

    async def call(
        self, tool: str, arguments: Mapping[str, Any], call: Call, seconds: float
    ) -> bytes:
        """The result of a call as JSON. Cancelling it tells the server.

        Raises: ServerError, SessionLost, TimedOut.
        """
        return await self._apart(
            call,
            seconds,
            lambda running: self._client.call_tool(
                tool, dict(arguments), progress_callback=running.progress
            ),
        )

    async def take_up(self, task_id: str, call: Call, seconds: float) -> bytes:
        """The result of a task that a call before has begun. Raises: as `call`."""
        return await self._apart(
            call, seconds, lambda running: running.follow(self._client.session, task_id)
        )

    async def follow_tools(self, listener: Listener) -> None:
        """Follow changes of the list of tools, where the server speaks a protocol that has subscriptions."""
        from mcp.client.subscriptions import ListenNotSupportedError

        with contextlib.suppress(ListenNotSupportedError, Exception):
            async with self._client.listen(tools_list_changed=True) as events:
                async for _ in events:
                    listener.tools_changed()

    async def _apart(
        self, call: Call, seconds: float, send: Callable[[_Running], Awaitable[Any]]
    ) -> bytes:
        running = _Running(call, seconds)
        self._calls[running] = None
        self._nursery.start_soon(self._run, running, send)
        try:
            await running.done.wait()
        finally:
            running.is_awaited = call.is_awaited()
            running.scope.cancel()
        if running.error is not None:
            raise running.error
        if running.result is None:
            raise TimedOut(f"no answer came within {seconds:g} s")
        return running.result

    async def _run(self, running: _Running, send: Callable[[_Running], Awaitable[Any]]) -> None:
        _call.set(running)
        try:
            running.start_clock()
            with running.scope:
                running.result = _json(await send(running))
        except Exception as error:  # noqa: BLE001  # the SDK lets through what it is built on
            running.error = ours(error)
        finally:
            self._calls.pop(running, None)
            if running.result is None and running.error is None and self._is_over:
                running.error = SessionLost("the connection ended")
            running.done.set()

    @property
    def _is_over(self) -> bool:
        return self._nursery.cancel_scope.cancel_called

    async def _pages(self, page: Callable[..., Awaitable[Any]], member: str) -> list[bytes]:
        found: list[bytes] = []
        cursor: str | None = None
        try:
            for _ in range(PAGES_MAX):
                listed = await page(cursor=cursor)
                entries = getattr(listed, member)[: ENTRIES_MAX - len(found)]
                found += [_json(entry) for entry in entries]
                cursor = listed.next_cursor
                if cursor is None or len(found) >= ENTRIES_MAX:
                    break
        except Exception as error:
            raise ours(error) from error
        return found


class OpenSession:
    """The context of a session: `async with OpenSession(…) as session`, in the task that opened the nursery.

    Entering raises: ServerError, SessionLost, LoginNeeded; leaving may raise what the SDK raises.
    """

    def __init__(
        self, transport: Transport, listener: Listener, nursery: trio.Nursery, *, modern: bool
    ) -> None:
        """`nursery` runs the calls; the caller cancels it before it leaves.

        `modern`: the newest protocol is tried first; else the handshake that all servers know.
        """
        self._transport, self._listener, self._nursery = transport, listener, nursery
        self._modern = modern
        self._calls: dict[_Running, None] = {}
        self._client: Client | None = None

    async def __aenter__(self) -> Session:
        from mcp.types import Implementation

        from mcp import Client

        client = Client(
            self._transport,
            mode="auto" if self._modern else "legacy",
            client_info=Implementation(name="codexd", title="codexd", version=__version__),
            elicitation_callback=self._ask,
            message_handler=self._heard,
            extensions=[tasks_extension(_created)],
            cache=None,
        )
        try:
            await client.__aenter__()
        except Exception as error:
            raise ours(error) from error
        self._client = client
        return Session(client, self._nursery, self._calls)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._client is not None
        await self._client.__aexit__(kind, error, trace)

    async def _heard(self, message: IncomingMessage) -> None:
        from mcp.types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self._listener.tools_changed()

    async def _ask(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult | ErrorData:
        """A question of the server: asked of the people who follow the call's thread."""
        from mcp.types import ElicitResult

        # With the older protocol a question does not say to which call it belongs.
        running = _call.get() or next(reversed(self._calls), None)
        if running is None:
            return ElicitResult(action="cancel")
        answer = await running.ask(Asked(_json(params)))
        return ElicitResult.model_validate({"action": answer.action, "content": answer.content})


def ours(error: BaseException) -> Exception:
    """An exception of the SDK, or of what it is built on, as one of ours."""
    from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

    from mcp import MCPError

    if isinstance(error, ServerError | SessionLost | TimedOut | LoginNeeded):
        return error
    if isinstance(error, TaskEnded):
        return ServerError(said(str(error)))
    if isinstance(error, BaseExceptionGroup):
        return ours(error.exceptions[0])
    if isinstance(error, MCPError):
        text = said(error.message)
        if error.code == CONNECTION_CLOSED:
            return SessionLost(text)
        if text == SESSION_GONE:
            return SessionGone(text)
        return TimedOut(text) if error.code == REQUEST_TIMEOUT else ServerError(text)
    if isinstance(error, trio.ClosedResourceError | trio.BrokenResourceError | OSError):
        return SessionLost(said(str(error)) or "the connection ended")
    if type(error).__name__ == "OAuthFlowError":
        return LoginNeeded(said(str(error)))
    return ServerError(said(f"{type(error).__name__}: {error}"))


def said(text: str) -> str:
    """Foreign words in an error of ours."""
    return visible_line(" ".join(text.split()), SAID_CHARACTERS_MAX)


def _json(model: Any) -> bytes:
    encoded: str = model.model_dump_json(by_alias=True, exclude_none=True)
    return encoded.encode(errors="replace")
