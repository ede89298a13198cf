"""The ways to servers: a process with an environment without the daemon's secrets, or an address with its headers."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from codexd.config.mcp_table import McpServerTable
from codexd.exec.ports import Command, ServerProcess
from codexd.mcp.credentials import Logins

if TYPE_CHECKING:
    from codexd.mcp.http import HttpWay

# The variables that every server gets, as far as they are set: Codex's list. All others are named in config.toml.
PASSED: Final = (
    "HOME",
    "LOGNAME",
    "PATH",
    "SHELL",
    "USER",
    "__CF_USER_TEXT_ENCODING",
    "LANG",
    "LC_ALL",
    "TERM",
    "TMPDIR",
    "TZ",
)
_NAME_CHARACTERS_MAX: Final = 32
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_-]")


def server_command(
    name: str,
    table: McpServerTable,
    unique: str,
    login: Mapping[str, str],
    own: Mapping[str, str],
    home: str,
) -> Command:
    """The command of a server.

    Args:
        unique: tells this process from earlier ones of the server.
        login: the environment that a login shell of the person has.
        own: the daemon's, for the variables that config.toml names.
    """
    assert table.command is not None
    variables = {name: login[name] for name in PASSED if name in login}
    for variable in table.passed_variables:
        value = own.get(variable, login.get(variable))
        if value is not None:
            variables[variable] = value
    short = _FORBIDDEN.sub("_", name)[:_NAME_CHARACTERS_MAX]
    return Command(
        process_id=f"mcp-{short}-{unique}",
        owner="",
        argv=(table.command, *table.args),
        cwd=os.path.join(home, os.path.expanduser(table.cwd)) if table.cwd else home,
        env=variables | dict(table.env),
        input="pipe",
        errors="apart",
    )


class ServerWays:
    """How the servers of a daemon are reached."""

    def __init__(
        self,
        start: Callable[[Command], Awaitable[ServerProcess]],
        login: Callable[[], Awaitable[Mapping[str, str]]],
        own: Mapping[str, str],
        home: str,
        unique: Callable[[], str],
        logins: Logins,
        learned: Callable[[str], None],
    ) -> None:
        """`login` is the environment of a login shell, `own` the daemon's; `learned` is told each secret."""
        self._start, self._login, self._own, self._home = start, login, own, home
        self._unique, self._logins, self._learned = unique, logins, learned

    async def start(self, name: str, table: McpServerTable) -> ServerProcess:
        """The process of a server. Raises: NotStarted."""
        login = await self._login()
        command = server_command(name, table, self._unique(), login, self._own, self._home)
        return await self._start(command)

    def http(self, name: str, table: McpServerTable) -> HttpWay:
        """The way to a server over HTTP. Raises: LoginNeeded."""
        from codexd.mcp.http import HttpWay, headers_of
        from codexd.mcp.oauth import stored_provider

        headers = headers_of(table, self._own)
        auth = None
        if table.bearer_token_env_var is None:
            auth = stored_provider(self._logins, name, table, self._learned)
        return HttpWay(table, headers, auth)
