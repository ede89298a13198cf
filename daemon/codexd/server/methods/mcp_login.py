"""`mcpServer/oauth/login`: a login begins with the address for a browser, and ends with a notification to all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from codexd.mcp.connection import LoginNeeded, ServerError, SessionLost, TimedOut, load_sdk
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol import mcp as m
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.server.connection.connection import Connection
from codexd.server.methods.mcp import refuse_unless_a_person, server_of
from codexd.server.services import Services

if TYPE_CHECKING:
    from codexd.mcp.oauth import Authorization

log = logging.getLogger(__name__)

# How long a person may take: Codex's figure.
LOGIN_SECONDS: Final = 300
LOGIN_SECONDS_MAX: Final = 3600


async def mcp_server_oauth_login(
    services: Services, connection: Connection, params: m.McpServerOauthLoginParams
) -> m.McpServerOauthLoginResponse:
    """Begin a login; the answer has the address where a person grants it."""
    refuse_unless_a_person(connection)
    server = server_of(services, params.name)
    if server.table.url is None:
        raise invalid_params(
            f"name: {params.name} is a process, and has no login; nothing was done"
        )
    await trio.to_thread.run_sync(load_sdk)
    from codexd.mcp.oauth import Authorization

    authorization = Authorization(
        services.mcp.logins,
        server.name,
        server.table,
        services.mcp.learned,
        scopes=params.scopes,
        port=services.config.last_good().mcp_oauth_callback_port,
    )
    seconds = min(max(params.timeout_secs or LOGIN_SECONDS, 1), LOGIN_SECONDS_MAX)
    login = _Login(services, server.name, authorization, seconds)
    services.mcp.servers.spawn(login.run)
    await login.begun.wait()
    if authorization.url is None:
        raise state_error(
            f"the login at {server.name} did not begin: {login.problem}", "login_failed"
        )
    return m.McpServerOauthLoginResponse(
        authorization_url=authorization.url, login_id=login.login_id
    )


class _Login:
    """A login under way."""

    def __init__(
        self, services: Services, name: str, authorization: Authorization, seconds: float
    ) -> None:
        self._services, self._name = services, name
        self._authorization, self._seconds = authorization, seconds
        self.login_id, self.begun = services.new_id(), trio.Event()
        self.problem: str | None = None

    async def run(self) -> None:
        """To its end, which all clients are told."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._shown)
            await self._authorize()
            nursery.cancel_scope.cancel()
        self.begun.set()
        if self._authorization.url is not None:
            done = m.McpServerOauthLoginCompletedNotification(
                name=self._name,
                success=self.problem is None,
                error=self.problem,
                login_id=self.login_id,
            )
            self._services.hub.announce(Outgoing(m.LOGIN_COMPLETED, done))
        if self.problem is None:
            self._services.mcp.servers.restart(self._name)

    async def _shown(self) -> None:
        await self._authorization.shown.wait()
        self.begun.set()

    async def _authorize(self) -> None:
        try:
            with trio.fail_after(self._seconds):
                await self._authorization.run()
        except trio.TooSlowError:
            self.problem = f"nobody granted it within {self._seconds:g} s"
        except (ServerError, SessionLost, LoginNeeded, TimedOut) as error:
            self.problem = str(error)
        except Exception:
            # As around an effect: a server must not end the daemon.
            log.exception("MCP server %s: the login failed inside the daemon", self._name)
            self.problem = "it failed inside the daemon; its log says where"
