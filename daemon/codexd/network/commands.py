"""A proxy for each command whose network is a list of domains: its socket, its environment, and its questions. I/O."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
import trio

from codexd.core.rules.network_rules import NetworkRules, refusal
from codexd.core.values.enforced import Sandbox
from codexd.core.values.hosts import authority
from codexd.core.values.tool_actions import ReachHost
from codexd.network.dial import LOOKUPS_MAX, Outside, resolver
from codexd.network.door import SOCKET_NAME, listening_in
from codexd.network.forwarder import listening_inside, proxy_variables, relayed_outside
from codexd.network.gate import Destination, Refused
from codexd.network.proxy import Proxy

# Refusals that a command's output tells of: a program that tries names should not fill it.
TOLD_MAX: Final = 20

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
        return relayed_outside(confine(listening_inside(argv)), self.socket)


class CommandNetwork:
    """The proxies of a daemon's commands."""

    def __init__(
        self, folder: Path, rules: Callable[[], NetworkRules], outside: Outside | None = None
    ) -> None:
        """`folder` is where the sockets are, with a short path; `rules` are those in force now."""
        self._folder, self._rules, self._outside = folder, rules, outside

    @cached_property
    def outside(self) -> Outside:
        return self._outside or Outside(resolver(trio.CapacityLimiter(LOOKUPS_MAX)))

    def way_out(self, name: str, sandbox: Sandbox) -> WayOut:
        """The way out of a command's sandbox.

        Args:
            name: of the command; of letters, digits, `_` and `-`, and no other command's.
        """
        if not sandbox.domains or sandbox.mode == "danger-full-access":
            return WayOut()
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
        gate = CommandGate(self._rules, ask, tell)
        with listening_in(Path(way.socket).parent) as listener:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Proxy(gate, self.outside).serve, listener)
                yield
                nursery.cancel_scope.cancel()


class CommandGate:
    """The gate of one command's proxy."""

    def __init__(
        self, rules: Callable[[], NetworkRules], ask: Ask, tell: Callable[[str], None]
    ) -> None:
        self.rules = rules
        self._ask, self._tell = ask, tell
        self._told: set[str] = set()

    async def ask(self, destination: Destination) -> None:
        """Raises: Refused."""
        host, port = destination.host, destination.port
        why = await self._ask(ReachHost(host, port, destination.protocol))
        if why is not None:
            how = refusal("not listed", host, port).partition(" To allow it: ")[2]
            raise Refused(
                f"{authority(host, port)} is not in the list of domains, and {why}. To allow it: {how}"
            )

    def refused(self, message: str) -> None:
        if message not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(message)
            self._tell(f"[codexd: {message}]\n")


# Where no command has a list.
NO_LISTS: Final = CommandNetwork(Path("/nonexistent"), NetworkRules)
