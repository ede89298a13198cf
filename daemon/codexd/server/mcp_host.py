"""The tools from outside of a daemon, wired: MCP servers with their processes, addresses and logins, and clients."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from codexd.config.live import LiveConfig
from codexd.exec.ports import Command, ServerProcess
from codexd.machine.paths import Paths, home_folder
from codexd.mcp.credentials import Logins
from codexd.mcp.process import ServerWays
from codexd.mcp.servers import Servers
from codexd.mcp.tool import McpCalls, RegistryOffer
from codexd.runtime.images.images import Images
from codexd.server.client_tools import ClientTools
from codexd.server.elicitations import Elicitations
from codexd.server.hub import Hub
from codexd.tools.registry import Registry


class McpHost:
    """The servers, their logins, the people whom they ask, and the clients that have tools of their own."""

    def __init__(
        self,
        config: LiveConfig,
        hub: Hub,
        start: Callable[[Command], Awaitable[ServerProcess]],
        login: Callable[[], Awaitable[Mapping[str, str]]],
        own: Mapping[str, str],
        paths: Paths,
        learned: Callable[[str], None],
    ) -> None:
        """`login` is the environment of a login shell, `own` the daemon's; `learned` is told each secret."""
        self.logins, self.learned = Logins(paths.config_file.parent / "mcp-logins"), learned
        self.elicitations, self.client_tools = Elicitations(hub), ClientTools(hub)
        unique = partial(secrets.token_hex, 8)
        home = str(home_folder(own))
        ways = ServerWays(start, login, own, home, unique, self.logins, learned)
        self.servers = Servers(config.last_good, ways, self.elicitations.updated)

    def offer(self, registry: Registry, images: Images) -> None:
        """Offer the tools of the servers in this registry from now on, and have those of clients performed."""
        self.client_tools.offer(registry, images)
        calls = McpCalls(self.servers, images.take, self.elicitations)
        offering = RegistryOffer(registry, self.servers, calls)
        self.servers.offerings = (*self.servers.offerings, offering)
