"""A proxy for each command whose network is a list of domains: its socket, its environment, and its questions. I/O."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import trio

from codexd.core.rules.network_rules import NetworkRules, refusal
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


class CommandProxy(msgspec.Struct, frozen=True):
    """The proxy of one command."""

    socket: str
    variables: Mapping[str, str]  # by which programs find it

    def around(self, argv: Sequence[str], confine: Callable[[Argv], Argv]) -> Argv:
        """The argv that runs an argv confined, with a way to the proxy; `confine` makes the sandbox around it."""
        return relayed_outside(confine(listening_inside(argv)), self.socket)


class CommandNetwork:
    """The proxies of a daemon's commands."""

    def __init__(
        self, folder: Path, rules: Callable[[], NetworkRules], outside: Outside | None = None
    ) -> None:
        """`folder` is where the sockets are, with a short path; `rules` are those in force now."""
        self._folder, self._rules = folder, rules
        self._outside = outside or Outside(resolver(trio.CapacityLimiter(LOOKUPS_MAX)))

    @asynccontextmanager
    async def proxy(
        self, name: str, ask: Ask, tell: Callable[[str], None]
    ) -> AsyncIterator[CommandProxy]:
        """A proxy, as long as the command runs.

        A later daemon that opens it under the same name has the command's connections.

        Args:
            ask: asks a person about a host.
            tell: gets a sentence for each refusal, for the command's output.

        Raises:
            OSError: its socket cannot be made.
        """
        folder = self._folder / name
        gate = CommandGate(self._rules, ask, tell)
        with listening_in(folder) as listener:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Proxy(gate, self._outside).serve, listener)
                listed = {host for host, _ in self._rules().allowed.hosts}
                yield CommandProxy(str(folder / SOCKET_NAME), proxy_variables(listed=listed))
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
