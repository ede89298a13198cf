"""The gate of one command's proxy: the rules in force, a person, and the command's output."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from codexd.core.rules.network_rules import NetworkRules, refusal
from codexd.core.values.hosts import authority
from codexd.core.values.tool_actions import ReachHost
from codexd.network.gate import Destination, Refused

# Refusals that a command's output tells of: a program that tries names should not fill it.
TOLD_MAX: Final = 20


class CommandGate:
    """The gate of one command's proxy."""

    def __init__(
        self,
        rules: Callable[[], NetworkRules],
        ask: Callable[[ReachHost], Awaitable[str | None]],
        tell: Callable[[str], None],
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
