"""The way out of each command's sandbox, where its network is a list of domains: a proxy of its own. I/O.

All that serves it is imported with the first such command.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from codexd.core.values.enforced import Sandbox
from codexd.core.values.tool_actions import ReachHost

if TYPE_CHECKING:
    from codexd.core.rules.network_rules import NetworkRules
    from codexd.network.dial import Outside

Argv = tuple[str, ...]
Ask = Callable[[ReachHost], Awaitable[str | None]]


class WayOut(msgspec.Struct, frozen=True):
    """How one command gets out of its sandbox: by its proxy, or as the sandbox lets it."""

    socket: str | None = None  # of the proxy
    variables: Mapping[str, str] = {}  # by which programs find it

    def around(self, argv: Argv, confine: Callable[[Argv], Argv]) -> Argv:
        """The argv that runs an argv confined, with this way out; `confine` makes the sandbox around it."""
        if self.socket is None:
            return confine(argv)
        from codexd.network.forwarder import listening_inside, relayed_outside

        return relayed_outside(confine(listening_inside(argv)), self.socket)


class CommandNetwork:
    """The proxies of a daemon's commands."""

    def __init__(
        self, folder: Path, rules: Callable[[], NetworkRules], outside: Outside | None = None
    ) -> None:
        """`folder` is where the sockets are, with a short path; `rules` are those in force now."""
        self._folder, self._rules, self._outside = folder, rules, outside

    def way_out(self, name: str, sandbox: Sandbox) -> WayOut:
        """The way out of a command's sandbox.

        Args:
            name: of the command; of letters, digits, `_` and `-`, and no other command's.
        """
        if not sandbox.domains or sandbox.mode == "danger-full-access":
            return WayOut()
        from codexd.network.door import SOCKET_NAME
        from codexd.network.forwarder import proxy_variables

        listed = {host for host, _ in self._rules().allowed.hosts}
        socket = self._folder / name / SOCKET_NAME
        return WayOut(str(socket), proxy_variables(listed=listed))

    @asynccontextmanager
    async def open(self, way: WayOut, ask: Ask, tell: Callable[[str], None]) -> AsyncIterator[None]:
        """Serve a way out, as long as its command runs.

        A later daemon that opens the one of the same name has the command's connections.

        Args:
            ask: asks a person about a host.
            tell: gets a line for each refusal, for the command's output.

        Raises:
            OSError: the proxy's socket cannot be made.
            ExceptionGroup: with what is raised within.
        """
        if way.socket is None:
            yield
            return
        from codexd.network.command_gate import CommandGate
        from codexd.network.dial import system_outside
        from codexd.network.door import listening_in, sweep
        from codexd.network.proxy import Proxy

        if self._outside is None:
            self._outside = system_outside()
            sweep(self._folder)
        gate = CommandGate(self._rules, ask, tell)
        with listening_in(Path(way.socket).parent) as listener:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Proxy(gate, self._outside).serve, listener)
                yield
                nursery.cancel_scope.cancel()


def _no_rules() -> NetworkRules:
    from codexd.core.rules.network_rules import NetworkRules

    return NetworkRules()


# Where no command has a list.
NO_LISTS: Final = CommandNetwork(Path("/nonexistent"), _no_rules)
