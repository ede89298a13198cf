"""The methods, notifications and requests about MCP servers: Codex's own, and codexd's for config.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

ELICITATION: Final = "mcpServer/elicitation/request"
STARTUP_UPDATED: Final = "mcpServer/startupStatus/updated"
LOGIN_COMPLETED: Final = "mcpServer/oauthLogin/completed"
PROGRESS: Final = "item/mcpToolCall/progress"

ConnectionStatus = Literal[
    "notStarted",
    "starting",
    "connected",
    "authenticationRequired",
    "failed",
    "cancelled",
    "disabled",
]
StartupStatus = Literal["starting", "ready", "failed", "cancelled"]
AuthStatus = Literal["unknown", "unsupported", "notLoggedIn", "bearerToken", "oAuth"]


class _Wire(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    pass


class ListMcpServerStatusParams(_Wire, frozen=True, kw_only=True):
    """List the servers of config.toml."""

    cursor: str | None = None
    limit: int | None = None
    detail: Literal["full", "toolsAndAuthOnly"] | None = None  # full: with their resources
    server_name: str | None = None
    thread_id: str | None = None  # without meaning: all threads have the same servers
    start: bool | None = None  # codexd only: start the servers that are listed, and wait for them


class McpServerStatus(_Wire, frozen=True, kw_only=True):
    """One server, with what it offers."""

    name: str
    auth_status: AuthStatus
    runtime_status: ConnectionStatus | None = None
    tools: Mapping[str, msgspec.Raw] = {}  # by their own names, as the server lists them
    resources: tuple[msgspec.Raw, ...] = ()
    resource_templates: tuple[msgspec.Raw, ...] = ()
    server_info: msgspec.Raw | None = None
    server_capabilities: msgspec.Raw | None = None
    http_origin: str | None = None
    plugin_id: None = None
    tools_error: str | None = None  # why it has no tools
    codexd: McpServerOwn | msgspec.UnsetType = msgspec.UNSET


class McpServerOwn(_Wire, frozen=True, kw_only=True):
    """What Codex does not say of a server."""

    transport: str  # the command, or the address without secrets
    error: str | None = None  # why it failed, or is not used whole
    model_names: Mapping[
        str, str
    ] = {}  # the server's name of a tool: the name that models call it by
    cwd: str | None = None
    environment: tuple[
        str, ...
    ] = ()  # names of variables that its process gets, without their values
    enabled: bool = True
    required: bool = False


class ListMcpServerStatusResponse(_Wire, frozen=True, kw_only=True):
    """A page of servers."""

    data: tuple[McpServerStatus, ...]
    next_cursor: str | None = None


class McpServerRefreshResponse(msgspec.Struct, frozen=True):
    """Done."""


class McpServerOauthLoginParams(_Wire, frozen=True, kw_only=True):
    """Begin a login at a server."""

    name: str
    scopes: tuple[str, ...] | None = None
    timeout_secs: int | None = None
    thread_id: str | None = None
    client_registration: Literal["auto", "cimd", "dcr"] | None = None


class McpServerOauthLoginResponse(_Wire, frozen=True, kw_only=True):
    """Where a person grants it; `mcpServer/oauthLogin/completed` says how it ended."""

    authorization_url: str
    login_id: str | None = None


class McpResourceReadParams(_Wire, frozen=True, kw_only=True):
    """Read a resource of a server."""

    server: str
    uri: str
    thread_id: str | None = None


class McpResourceReadResponse(_Wire, frozen=True, kw_only=True):
    """Its contents, as the server gives them."""

    contents: tuple[msgspec.Raw, ...]
    origin_call_id: str | None = None


class McpServerToolCallParams(_Wire, frozen=True, kw_only=True):
    """Call a tool of a server, for the client itself and not for the model."""

    thread_id: str
    server: str
    tool: str
    arguments: Mapping[str, msgspec.Raw] | None = None


class McpServerEventStreamStartParams(_Wire, frozen=True, kw_only=True):
    """Follow events of a server; no server has any."""

    thread_id: str
    server: str
    name: str
    subscription_id: str
    arguments: msgspec.Raw


class McpServerEventStreamStartResponse(_Wire, frozen=True):
    """They are followed."""


class McpServerToolCallResponse(_Wire, frozen=True, kw_only=True):
    """Its result, as the server gives it."""

    content: tuple[msgspec.Raw, ...]
    structured_content: msgspec.Raw | None = None
    is_error: bool | None = None


class McpServerStatusUpdatedNotification(_Wire, frozen=True, kw_only=True):
    """A server starts, is ready, or is not."""

    name: str
    status: StartupStatus
    error: str | None = None
    failure_reason: Literal["reauthenticationRequired"] | None = None
    thread_id: str | None = None


class McpServerOauthLoginCompletedNotification(_Wire, frozen=True, kw_only=True):
    """A login has ended."""

    name: str
    success: bool
    error: str | None = None
    login_id: str | None = None
    thread_id: str | None = None


class McpToolCallProgressNotification(_Wire, frozen=True, kw_only=True):
    """How far a call is, in the server's words."""

    thread_id: str
    turn_id: str
    item_id: str
    message: str


class ElicitationResponse(msgspec.Struct, frozen=True):
    """A client's answer to `mcpServer/elicitation/request`."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, msgspec.Raw] | None = None


# Codex changes its files by itself; codexctl asks the daemon.


class McpServerOauthLogoutParams(_Wire, frozen=True, kw_only=True):
    """Forget a login."""

    name: str


class McpServerOauthLogoutResponse(_Wire, frozen=True, kw_only=True):
    """Whether there was one."""

    removed: bool


class McpServerConfigAddParams(_Wire, frozen=True, kw_only=True):
    """Add a server to config.toml: a process or an address."""

    name: str
    command: tuple[str, ...] | None = None  # the program and its arguments
    env: Mapping[str, str] = {}
    url: str | None = None
    bearer_token_env_var: str | None = None
    oauth_client_id: str | None = None
    oauth_resource: str | None = None


class McpServerConfigRemoveParams(_Wire, frozen=True, kw_only=True):
    """Remove a server from config.toml."""

    name: str


class McpServerConfigResponse(_Wire, frozen=True, kw_only=True):
    """The file that was changed."""

    file: str
