"""Methods about MCP servers: their list, logins, resources, calls by clients, and their tables in config.toml."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
import trio

from codexd.config.edit import NotEdited, Value, with_server, without_server
from codexd.config.editing.edits import NotWritten
from codexd.config.file import InvalidConfig
from codexd.config.mcp_table import McpServerTable
from codexd.core.values.ids import ThreadId
from codexd.core.values.shown import shown_url
from codexd.mcp.connection import (
    Answered,
    Asked,
    LoginNeeded,
    ServerError,
    SessionLost,
    TimedOut,
)
from codexd.mcp.results import ServerResult, given
from codexd.mcp.server import McpServer
from codexd.protocol import mcp as m
from codexd.protocol.methods import NoParams
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.server.connection.connection import Connection
from codexd.server.connection.peers import may_decide
from codexd.server.methods.lookup import open_thread
from codexd.server.services import Services
from codexd.tools.registry import CallContext

log = logging.getLogger(__name__)

# Servers on a page: everybody has fewer.
PAGE_SERVERS_MAX: Final = 100
# How long a list waits for one server's resources.
RESOURCES_SECONDS_MAX: Final = 5.0

T = TypeVar("T")


async def mcp_server_status_list(
    services: Services, connection: Connection, params: m.ListMcpServerStatusParams
) -> m.ListMcpServerStatusResponse:
    """The servers, by name. They are started only if the client says so."""
    servers = [
        server
        for server in services.mcp.servers.all
        if params.server_name in (None, server.name)
        and (params.cursor is None or server.name > params.cursor)
    ]
    limit = max(1, min(params.limit or PAGE_SERVERS_MAX, PAGE_SERVERS_MAX))
    page = servers[:limit]
    if params.start:
        for server in page:
            server.want(again=True)
        for server in page:
            await server.settled()
    whole = params.detail != "toolsAndAuthOnly"
    return m.ListMcpServerStatusResponse(
        data=tuple([await _status(services, server, whole=whole) for server in page]),
        next_cursor=page[-1].name if len(servers) > limit else None,
    )


async def config_mcp_server_reload(
    services: Services, connection: Connection, params: NoParams
) -> m.McpServerRefreshResponse:
    """Follow config.toml, and try again what has failed."""
    services.mcp.servers.reload()
    return m.McpServerRefreshResponse()


async def mcp_server_event_stream_start(
    services: Services, connection: Connection, params: m.McpServerEventStreamStartParams
) -> m.McpServerEventStreamStartResponse:
    """Raises: RpcError: there are no such events."""
    server = server_of(services, params.server)
    raise state_error(
        f"the MCP server {server.name} has no events that could be followed: nothing was started",
        "no_events",
    )


async def mcp_server_resource_read(
    services: Services, connection: Connection, params: m.McpResourceReadParams
) -> m.McpResourceReadResponse:
    """A resource of a server, which is started if need be."""
    server = server_of(services, params.server)

    async def read() -> bytes:
        session = await server.session()
        return await session.read_resource(params.uri, _NobodyAsked(), server.table.tool_seconds)

    read_resource = msgspec.json.decode(await _or_error(read), type=_Contents)
    return m.McpResourceReadResponse(contents=read_resource.contents)


async def mcp_server_tool_call(
    services: Services, connection: Connection, params: m.McpServerToolCallParams
) -> m.McpServerToolCallResponse:
    """A call that the client makes itself: it is in no log, and no model sees it."""
    refuse_unless_a_person(connection)
    thread = await open_thread(services, params.thread_id)
    server = server_of(services, params.server)
    if not server.table.allows(params.tool):
        raise invalid_params(
            f"tool: config.toml does not enable {params.tool!r}; nothing was called"
        )
    arguments = msgspec.json.decode(
        msgspec.json.encode(params.arguments or {}), type=dict[str, object]
    )
    asks = _Client(services, ThreadId(thread.thread_id), server.name)
    encoded = await _or_error(lambda: server.call(params.tool, arguments, asks))
    result = msgspec.json.decode(encoded, type=ServerResult)
    return m.McpServerToolCallResponse(
        content=result.content,
        structured_content=given(result.structured_content),
        is_error=result.is_error,
    )


async def mcp_server_oauth_logout(
    services: Services, connection: Connection, params: m.McpServerOauthLogoutParams
) -> m.McpServerOauthLogoutResponse:
    """Forget a login."""
    refuse_unless_a_person(connection)
    server = server_of(services, params.name)
    removed = server.table.url is not None and services.mcp.logins.forget(
        server.name, server.table.url
    )
    if removed:
        services.mcp.servers.restart(server.name)
    return m.McpServerOauthLogoutResponse(removed=removed)


async def mcp_server_config_add(
    services: Services, connection: Connection, params: m.McpServerConfigAddParams
) -> m.McpServerConfigResponse:
    """Add a server to config.toml."""
    refuse_unless_a_person(connection)
    keys: dict[str, Value] = {}
    if params.command:
        keys["command"] = params.command[0]
        keys |= {"args": params.command[1:]} if params.command[1:] else {}
    for key, value in (
        ("url", params.url),
        ("bearer_token_env_var", params.bearer_token_env_var),
        ("oauth_resource", params.oauth_resource),
    ):
        keys |= {key: value} if value is not None else {}
    keys |= {"env": params.env} if params.env else {}
    keys |= {"oauth": {"client_id": params.oauth_client_id}} if params.oauth_client_id else {}
    return await _edited(services, lambda text, file: with_server(text, file, params.name, keys))


async def mcp_server_config_remove(
    services: Services, connection: Connection, params: m.McpServerConfigRemoveParams
) -> m.McpServerConfigResponse:
    """Remove a server from config.toml."""
    refuse_unless_a_person(connection)
    return await _edited(services, lambda text, file: without_server(text, file, params.name))


async def _edited(
    services: Services, edit: Callable[[bytes, str], bytes]
) -> m.McpServerConfigResponse:
    file = services.config.file
    try:
        services.config.read()  # An invalid file, or one of somebody else's, is left alone.
        await trio.to_thread.run_sync(services.config_writer.change, edit)
    except (InvalidConfig, NotEdited, NotWritten) as problem:
        raise state_error(str(problem), "config_not_changed") from problem
    except OSError as error:
        raise state_error(
            f"{file} was not changed: {error.strerror}", "config_not_changed"
        ) from error
    services.mcp.servers.reload()
    return m.McpServerConfigResponse(file=str(file))


class _Contents(msgspec.Struct, frozen=True):
    contents: tuple[msgspec.Raw, ...] = ()


class _NobodyAsked:
    """A request that no thread makes: nobody is asked anything."""

    def progress(self, message: str) -> None:
        pass

    async def ask(self, asked: Asked) -> Answered:
        return Answered("cancel")

    async def keep_task(self, task_id: str) -> None:
        """No log has the call, so no daemon after this one asks for its result."""

    def is_awaited(self) -> bool:
        return False


class _Client(_NobodyAsked):
    """A call of a client: those who follow the thread are asked."""

    def __init__(self, services: Services, thread_id: ThreadId, server: str) -> None:
        self._services, self._server = services, server
        self._context = CallContext("/", thread_id, "")

    async def ask(self, asked: Asked) -> Answered:
        return await self._services.mcp.elicitations.ask(self._context, self._server, asked)


async def _status(services: Services, server: McpServer, *, whole: bool) -> m.McpServerStatus:
    table, identity = server.table, server.identity
    resources, templates = await _resources(server) if whole else ((), ())
    names = services.mcp.servers.names
    return m.McpServerStatus(
        name=server.name,
        auth_status=_auth_status(services, server),
        runtime_status=server.state,
        tools={tool.name: tool.listed for tool in server.catalog.tools if table.allows(tool.name)},
        resources=resources,
        resource_templates=templates,
        server_info=_raw(identity.info if identity is not None else None),
        server_capabilities=_raw(identity.capabilities if identity is not None else None),
        http_origin=None if table.url is None else _origin(table.url),
        tools_error=server.error if server.state != "connected" else None,
        codexd=m.McpServerOwn(
            transport=_transport(table),
            error=server.error or server.catalog.left_out,
            model_names={
                tool.name: names[server.name, tool.name]
                for tool in server.catalog.tools
                if (server.name, tool.name) in names
            },
            cwd=table.cwd,
            environment=(*table.env, *table.passed_variables),
            enabled=table.enabled,
            required=table.required,
        ),
    )


async def _resources(
    server: McpServer,
) -> tuple[tuple[msgspec.Raw, ...], tuple[msgspec.Raw, ...]]:
    if server.state != "connected" or server.identity is None or not server.identity.has_resources:
        return (), ()
    try:
        with trio.fail_after(RESOURCES_SECONDS_MAX):
            session = await server.session()
            resources = tuple(map(msgspec.Raw, await session.resources()))
            return resources, tuple(map(msgspec.Raw, await session.resource_templates()))
    except (ServerError, SessionLost, TimedOut, LoginNeeded, trio.TooSlowError) as error:
        log.warning("MCP server %s: its resources were not listed: %s", server.name, error)
        return (), ()


def _auth_status(services: Services, server: McpServer) -> m.AuthStatus:
    table = server.table
    if table.url is None:
        return "unsupported"
    if table.bearer_token_env_var is not None:
        return "bearerToken"
    if services.mcp.logins.read(server.name, table.url) is not None:
        return "oAuth"
    return "notLoggedIn" if server.state == "authenticationRequired" else "unknown"


def _transport(table: McpServerTable) -> str:
    if table.url is not None:
        return shown_url(table.url)
    return " ".join([table.command or "", *table.args])


def _origin(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.hostname is None:
        return None
    port = f":{parts.port}" if parts.port is not None else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def _raw(encoded: bytes | None) -> msgspec.Raw | None:
    return None if encoded is None else msgspec.Raw(encoded)


def server_of(services: Services, name: str) -> McpServer:
    """A server of config.toml. Raises: RpcError."""
    server = services.mcp.servers.find(name)
    if server is None:
        known = ", ".join(server.name for server in services.mcp.servers.all) or "none"
        raise invalid_params(f"No MCP server named '{name}' found; config.toml has: {known}")
    return server


async def _or_error(ask: Callable[[], Awaitable[T]]) -> T:
    try:
        return await ask()
    except (ServerError, SessionLost, TimedOut, LoginNeeded) as error:
        raise state_error(str(error), "mcp_server_failed") from error


def refuse_unless_a_person(connection: Connection) -> None:
    """Refuse a request of a process that may not answer for the person. Raises: RpcError."""
    if not may_decide(connection.peer):
        raise state_error(
            f"process {connection.peer.pid} may not do this; nothing was done", "not_a_person"
        )
