"""Who may pass: what a connection asks for, the rules in force, and the question to a person."""

from __future__ import annotations

from typing import Final, Literal, Protocol

import msgspec

from codexd.core.rules.network_rules import NetworkRules, Verdict, refusal, verdict
from codexd.core.values.hosts import BadHost, read_address, read_host

Protocols = Literal["http", "https", "socks5Tcp"]
# As Codex's proxy says it, in a header of its answer.
X_PROXY_ERROR: Final[dict[Verdict, str]] = {
    "denied": "blocked-by-denylist",
    "not listed": "blocked-by-allowlist",
    "not public": "blocked-by-allowlist",
}


class Destination(msgspec.Struct, frozen=True):
    """Where a connection is to lead."""

    host: str  # in its one form
    port: int
    protocol: Protocols


class Refused(Exception):
    """A connection may not be made; the message says why, and what would allow it."""

    def __init__(self, message: str, found: Verdict = "not listed") -> None:
        super().__init__(message)
        self.header = X_PROXY_ERROR.get(found, "blocked-by-policy")


class Gate(Protocol):
    """The rules of one proxy, and a way to ask about what they do not say."""

    def rules(self) -> NetworkRules:
        """The rules in force now."""

    async def ask(self, destination: Destination) -> None:
        """Ask whether a destination that is not listed may be reached; return if so. Raises: Refused."""

    def refused(self, message: str) -> None:
        """A connection was refused: for those who see no answer of the proxy."""


async def admit(gate: Gate, destination: Destination) -> None:
    """Let a destination pass, or not. Raises: Refused."""
    found = verdict(gate.rules(), destination.host, destination.port)
    if found == "not listed":
        await gate.ask(destination)
    elif found != "allowed":
        raise Refused(refusal(found, destination.host, destination.port), found)


def may_name(rules: NetworkRules, destination: Destination, name: str) -> bool:
    """Whether a connection to a destination may name this server in its own first bytes.

    One address serves many names. Whoever may reach an address may reach all that it serves, but what is denied.
    """
    try:
        host = read_host(name)
    except BadHost:
        return False
    if host == destination.host:
        return True
    found = verdict(rules, host, destination.port)
    return found == "allowed" or (found != "denied" and read_address(destination.host) is not None)
