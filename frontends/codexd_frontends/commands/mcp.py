"""codexctl mcp: the MCP servers of config.toml: list them, add and remove them, log in and out; or be one.

The daemon changes the file and knows the states, so it is started if none runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from codexd.protocol.mcp import (
    LOGIN_COMPLETED,
    McpServerConfigResponse,
    McpServerOauthLoginResponse,
    McpServerOauthLogoutResponse,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.errors import CommandError, UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.messages import Received
from codexd_frontends.commands.browser_login import login_problem, open_page
from codexd_frontends.screen.drawn import drawn_once, one_line

# The daemon ends a login after as long; the answer is then on its way.
LOGIN_SECONDS: Final = 300
ANSWER_SECONDS: Final = 10.0
# A start may take long: a server may have to be downloaded first.
START_SECONDS_MAX: Final = 120.0

_STATES: Final[Mapping[str, str]] = {
    "notStarted": "not started",
    "authenticationRequired": "needs login",
}
_AUTH: Final[Mapping[str, str]] = {
    "unsupported": "-",
    "unknown": "-",
    "notLoggedIn": "not logged in",
    "bearerToken": "bearer token",
    "oAuth": "logged in",
}


class _Own(Received, frozen=True, kw_only=True):
    transport: str = ""
    error: str | None = None
    model_names: Mapping[str, str] = {}
    cwd: str | None = None
    environment: tuple[str, ...] = ()
    enabled: bool = True
    required: bool = False


class _Tool(Received, frozen=True, kw_only=True):
    description: str | None = None


class _Server(Received, frozen=True, kw_only=True):
    name: str
    auth_status: str = "unknown"
    runtime_status: str | None = None
    tools: Mapping[str, msgspec.Raw] = {}  # as the server lists them
    codexd: _Own = _Own()


class _Servers(Received, frozen=True, kw_only=True):
    data: tuple[_Server, ...]
    next_cursor: str | None = None


class _RawServers(Received, frozen=True, kw_only=True):
    data: tuple[msgspec.Raw, ...]
    next_cursor: str | None = None


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Do what the action says."""
    return _ACTIONS[arguments.action](arguments, console)


def _list(_: argparse.Namespace, console: Console) -> Exit:
    with connect(console) as daemon:
        if console.json:
            params = {"detail": "toolsAndAuthOnly"}
            pages = daemon.pages("mcpServerStatus/list", params, _RawServers)
            console.document_with({}, "servers", (row for page in pages for row in page.data))
            return DONE
        servers = [
            server
            for page in daemon.pages(
                "mcpServerStatus/list", {"detail": "toolsAndAuthOnly"}, _Servers
            )
            for server in page.data
        ]
    if not servers:
        console.answer("config.toml has no MCP servers; `codexctl mcp add NAME` adds one")
        return DONE
    rows = [("NAME", "STATE", "AUTH", "TOOLS", "COMMAND OR ADDRESS")]
    rows += [
        (
            one_line(server.name, 32),
            _state(server),
            _AUTH.get(server.auth_status, server.auth_status),
            str(len(server.tools)),
            one_line(server.codexd.transport, 80),
        )
        for server in servers
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        console.answer("  ".join([*cells, row[-1]]).rstrip())
    for server in servers:
        if server.codexd.error is not None:
            console.answer(f"{one_line(server.name, 32)}: {drawn_once(server.codexd.error, 400)}")
    return DONE


def _get(arguments: argparse.Namespace, console: Console) -> Exit:
    """One server, started, so that its tools are known."""
    params = {"serverName": arguments.name, "start": True}
    with connect(console) as daemon:
        daemon.slow_seconds = 2.0
        daemon.when_slow = lambda: console.talk("the server is being started …")
        raw = daemon.call(
            "mcpServerStatus/list", params, _RawServers, seconds=START_SECONDS_MAX
        ).data
    if not raw:
        raise CommandError(f"No MCP server named '{one_line(arguments.name, 80)}' found.")
    if console.json:
        console.document({"server": msgspec.json.decode(raw[0])})
        return DONE
    server = msgspec.json.decode(raw[0], type=_Server)
    own = server.codexd
    fields = {
        "state": _state(server),
        "problem": own.error,
        "transport": own.transport,
        "folder": own.cwd,
        "variables": ", ".join(own.environment) or None,
        "auth": _AUTH.get(server.auth_status, server.auth_status),
        "required": "yes" if own.required else None,
    }
    lines = [one_line(server.name, 80)]
    lines += [f"  {name:<10} {drawn_once(value, 400)}" for name, value in fields.items() if value]
    for name, tool in server.tools.items():
        called = own.model_names.get(name, name)
        about = one_line(_description(tool), 100)
        lines.append(f"  tool       {one_line(called, 80)}{f': {about}' if about else ''}")
    console.answers(lines)
    return DONE


def _description(tool: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(tool, type=_Tool).description or ""
    except msgspec.DecodeError:
        return ""


def _add(arguments: argparse.Namespace, console: Console) -> Exit:
    command = list(arguments.server_command)
    if bool(command) == (arguments.url is not None):
        raise UsageError(
            "expected either --url URL or a command after --, found "
            f"{'both' if command else 'neither'}; nothing was added"
        )
    variables: dict[str, str] = {}
    for assignment in arguments.env:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise UsageError(
                f"expected --env NAME=VALUE, found no `=` in {name[:40]!r}; nothing was added"
            )
        variables[name] = value
    params = {
        "name": arguments.name,
        "command": command or None,
        "env": variables,
        "url": arguments.url,
        "bearerTokenEnvVar": arguments.bearer_token_env_var,
        "oauthClientId": arguments.oauth_client_id,
        "oauthResource": arguments.oauth_resource,
    }
    with connect(console) as daemon:
        file = daemon.call("mcpServer/config/add", params, McpServerConfigResponse).file
    name = arguments.name
    said = f"added {one_line(name, 80)} to {one_line(file)}; `codexctl mcp get {one_line(name, 80)}` starts it"
    console.result({"name": name, "file": file}, said)
    return DONE


def _remove(arguments: argparse.Namespace, console: Console) -> Exit:
    params = {"name": arguments.name}
    with connect(console) as daemon:
        file = daemon.call("mcpServer/config/remove", params, McpServerConfigResponse).file
    said = f"removed {one_line(arguments.name, 80)} from {one_line(file)}"
    console.result({"name": arguments.name, "file": file}, said)
    return DONE


def _login(arguments: argparse.Namespace, console: Console) -> Exit:
    scopes = [scope for scope in (arguments.scopes or "").split(",") if scope] or None
    params = {"name": arguments.name, "scopes": scopes, "timeoutSecs": LOGIN_SECONDS}
    with connect(console) as daemon:
        begun = daemon.call("mcpServer/oauth/login", params, McpServerOauthLoginResponse)
        console.talk("Grant it in a browser of this machine, at this address:")
        console.talk(f"  {begun.authorization_url}")
        if not arguments.no_browser and sys.stderr.isatty():
            open_page(begun.authorization_url)
        problem = login_problem(
            daemon, LOGIN_COMPLETED, begun.login_id, LOGIN_SECONDS + ANSWER_SECONDS
        )
    if problem is not None:
        raise CommandError(f"the login at {one_line(arguments.name, 80)} failed: {problem}")
    console.result({"name": arguments.name}, f"logged in at {one_line(arguments.name, 80)}")
    return DONE


def _logout(arguments: argparse.Namespace, console: Console) -> Exit:
    params = {"name": arguments.name}
    with connect(console) as daemon:
        removed = daemon.call(
            "mcpServer/oauth/logout", params, McpServerOauthLogoutResponse
        ).removed
    name = one_line(arguments.name, 80)
    said = f"logged out at {name}" if removed else f"there was no login at {name}"
    console.result({"name": arguments.name, "removed": removed}, said)
    return DONE


def _serve(arguments: argparse.Namespace, console: Console) -> Exit:
    """Serve one agent until it closes the pipe; the turns that it has begun go on."""
    from codexd_frontends.acp.editor import Editor
    from codexd_frontends.mcp_server.server import Server

    with connect(console) as daemon:
        agent = Editor(sys.stdin.fileno(), sys.stdout.fileno())
        return Server(agent, daemon, console, answers=arguments.allow_approvals).run()


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace, Console], Exit]]] = {
    "list": _list,
    "get": _get,
    "add": _add,
    "remove": _remove,
    "login": _login,
    "logout": _logout,
    "serve": _serve,
}


def _state(server: _Server) -> str:
    state = server.runtime_status or "unknown"
    return _STATES.get(state, state)
