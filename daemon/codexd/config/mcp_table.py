"""The keys of a table `[mcp_servers.NAME]`, for the reader of config.toml and for the connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

ApprovalMode = Literal["auto", "prompt", "writes", "approve"]
# Longer is not waiting for a server, but having forgotten it; the bound keeps a timer from overflowing.
SECONDS_MAX = 86_400
STARTUP_SECONDS = 30.0  # Codex's default: `npx` may have to download the server first
TOOL_SECONDS = 300.0  # Codex's default

Seconds = Annotated[
    float, Meta(gt=0, le=SECONDS_MAX), f"a number of seconds above 0 and up to {SECONDS_MAX}"
]
Milliseconds = Annotated[
    int,
    Meta(gt=0, le=SECONDS_MAX * 1000),
    f"a number of milliseconds, an integer from 1 to {SECONDS_MAX * 1000}",
]
Program = Annotated[str, "the name or the path of a program, a string"]
Arguments = Annotated[tuple[str, ...], "a list of strings"]
Folder = Annotated[str, "the path of a folder, a string"]
Url = Annotated[str, "an http or https URL, a string"]
Variable = Annotated[str, "the name of an environment variable, a string"]
HeaderVariables = Annotated[
    Mapping[str, str], "a table of strings, each the name of an environment variable"
]
ToolNames = Annotated[tuple[str, ...], "a list of names of tools"]
Scopes = Annotated[tuple[str, ...], "a list of OAuth scopes"]


class EnvironmentVariable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variable that is passed on, in Codex's longer spelling."""

    name: str
    source: Literal["local", "remote"] | None = None  # codexd has local servers only


class McpToolTable(msgspec.Struct, frozen=True):
    """A table `[mcp_servers.NAME.tools.TOOL]`: when a person is asked about calls of this tool."""

    approval_mode: ApprovalMode | None = None  # None: `default_tools_approval_mode`


class McpOAuthTable(msgspec.Struct, frozen=True):
    """A table `[mcp_servers.NAME.oauth]`: how `codexctl mcp login` presents itself."""

    client_id: str | None = None  # None: it registers itself with the server


class McpServerTable(msgspec.Struct, frozen=True):
    """A table `[mcp_servers.NAME]`: a server with `command` is a process, a server with `url` answers over HTTP."""

    command: Program | None = None
    args: Arguments = ()
    env: Mapping[str, str] = {}  # variables for the process
    # Variables of the daemon's own environment that the process gets too, by their names.
    env_vars: Annotated[
        tuple[str | EnvironmentVariable, ...], "a list of names of environment variables"
    ] = ()
    cwd: Folder | None = None  # None: the home folder
    url: Url | None = None
    bearer_token_env_var: Variable | None = None  # sent as `Authorization: Bearer …`
    http_headers: Mapping[str, str] = {}
    env_http_headers: HeaderVariables = {}  # header: name of the variable that holds its value
    enabled: bool = True
    # A turn fails if this server cannot be started.
    required: bool = False
    startup_timeout_sec: Seconds | None = None  # until its tools are known; None: 30
    startup_timeout_ms: Milliseconds | None = None  # an older spelling of the same
    tool_timeout_sec: Seconds | None = None  # of one call; None: 300
    enabled_tools: ToolNames | None = None  # None: all
    disabled_tools: ToolNames = ()  # after `enabled_tools`
    default_tools_approval_mode: ApprovalMode | None = None  # None: auto
    tools: Annotated[Mapping[str, McpToolTable], "tables [mcp_servers.NAME.tools.TOOL]"] = {}
    # Calls may be made while another is under way; else only those of tools that only read, as the server says.
    supports_parallel_tool_calls: bool = False
    scopes: Scopes | None = None  # of `codexctl mcp login`; None: those that the server names
    oauth: Annotated[McpOAuthTable, "a table [mcp_servers.NAME.oauth]"] = McpOAuthTable()
    oauth_resource: Url | None = None  # the resource that a login is for (RFC 8707)

    @property
    def startup_seconds(self) -> float:
        """How long it may take until its tools are known."""
        if self.startup_timeout_sec is not None:
            return self.startup_timeout_sec
        return (
            STARTUP_SECONDS if self.startup_timeout_ms is None else self.startup_timeout_ms / 1000
        )

    @property
    def tool_seconds(self) -> float:
        """How long one call may take."""
        return TOOL_SECONDS if self.tool_timeout_sec is None else self.tool_timeout_sec

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables that its token and its headers are taken from."""
        return frozenset(filter(None, (self.bearer_token_env_var, *self.env_http_headers.values())))

    @property
    def passed_variables(self) -> tuple[str, ...]:
        """The names of the daemon's variables that the process gets."""
        return tuple([var if isinstance(var, str) else var.name for var in self.env_vars])

    def allows(self, tool: str) -> bool:
        """Whether this tool of the server is offered to models."""
        chosen = self.enabled_tools is None or tool in self.enabled_tools
        return chosen and tool not in self.disabled_tools

    def approval_mode(self, tool: str) -> ApprovalMode:
        """When a person is asked about calls of a tool."""
        own = self.tools.get(tool, McpToolTable()).approval_mode
        return own or self.default_tools_approval_mode or "auto"


_OF_A_PROCESS = ("args", "env", "env_vars", "cwd")
_OF_HTTP = (
    "url",
    "bearer_token_env_var",
    "http_headers",
    "env_http_headers",
    "scopes",
    "oauth",
    "oauth_resource",
)


class WrongKey(Exception):
    """A key does not go with the others."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(expected)
        self.key, self.expected = key, expected


def check_server(table: McpServerTable) -> None:
    """Check that the table describes one way to a server. Raises: WrongKey."""
    if table.command is None and table.url is None:
        raise WrongKey("command", "`command` for a process or `url` for a server over HTTP")
    wrong = _OF_A_PROCESS if table.command is None else _OF_HTTP
    way = "a server with `url`" if table.command is None else "a server with `command`"
    empty = McpServerTable()
    for key in wrong:
        if getattr(table, key) != getattr(empty, key):
            raise WrongKey(key, f"no such key in {way}")
    given = {
        "command": (table.command or "",),
        "args": table.args,
        "env": (*table.env, *table.env.values()),
        "cwd": (table.cwd or "",),
    }
    for key, texts in given.items():
        if any("\0" in text for text in texts):
            raise WrongKey(key, "text without NUL, which no process can be given")
    if any("=" in name or not name for name in table.env):
        raise WrongKey("env", "names of variables without `=`")
    if table.command is not None and not table.command.strip():
        raise WrongKey("command", "the name or the path of a program, a string")
    if table.url is not None and not table.url.lower().startswith(("http://", "https://")):
        raise WrongKey("url", "an http or https URL, a string")
