"""Connections to the outside: a name is looked up, its addresses are checked, and one of these very addresses is used.

So a name whose answer changes between two questions (DNS rebinding) gains nothing. I/O.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import trio

from codexd.core.rules.network_rules import NetworkRules, why_not_there
from codexd.core.values.hosts import Address, authority, read_address
from codexd.network.gate import Destination, Refused

# A resolver tries several servers for some seconds each; a person waits no longer.
LOOKUP_SECONDS_MAX: Final = 20.0
CONNECT_SECONDS_MAX: Final = 10.0  # for each address
ADDRESSES_MAX: Final = 8  # that are tried
# A lookup holds a thread. These are not those that the daemon's disk waits for.
LOOKUPS_MAX: Final = 8


class NoAnswer(Exception):
    """A machine was not reached; says why."""


Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
Connect = Callable[[Address, int], Awaitable[trio.SocketStream]]


def resolver(limiter: trio.CapacityLimiter) -> Resolve:
    """The system's own resolver, for so many lookups at a time."""

    def look_up(host: str, port: int) -> list[Address]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
        return [address for text in texts if (address := read_address(text)) is not None]

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return await trio.to_thread.run_sync(
            look_up, host, port, limiter=limiter, abandon_on_cancel=True
        )

    return resolve


def system_outside() -> Outside:
    """The ways out by the system's own resolver."""
    return Outside(resolver(trio.CapacityLimiter(LOOKUPS_MAX)))


async def connect_tcp(address: Address, port: int) -> trio.SocketStream:
    """A connection to an address. Raises: OSError."""
    family = trio.socket.AF_INET6 if address.version == 6 else trio.socket.AF_INET  # of IP
    sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        await sock.connect((str(address), port))
        return trio.SocketStream(sock)
    except BaseException:
        sock.close()
        raise


class Outside(msgspec.Struct, frozen=True):
    """The ways out of this machine."""

    resolve: Resolve
    connect: Connect = connect_tcp

    async def dial(self, destination: Destination, rules: NetworkRules) -> trio.SocketStream:
        """A connection to an admitted destination. Raises: Refused, NoAnswer."""
        host, port = destination.host, destination.port
        address = read_address(host)
        found = [address] if address is not None else await self._addresses(host, port)
        refusals = {address: why_not_there(rules, host, port, address) for address in found}
        usable = [address for address, why in refusals.items() if why is None]
        if not usable:
            address, why = next(iter(refusals.items()))
            raise Refused(
                f"{authority(host, port)} leads to {address}, which is {why}. Only an address that is "
                "listed itself is reached then.",
                "not public",
            )
        return await self._first_that_answers(usable[:ADDRESSES_MAX], destination)

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        try:
            with trio.fail_after(LOOKUP_SECONDS_MAX):
                found = await self.resolve(host, port)
        except trio.TooSlowError:
            raise NoAnswer(f"{host} was not found within {LOOKUP_SECONDS_MAX:g} s") from None
        except (OSError, UnicodeError) as error:
            raise NoAnswer(f"{host} was not found: {_reason(error)}") from error
        if not found:
            raise NoAnswer(f"{host} has no address")
        return found

    async def _first_that_answers(
        self, addresses: Sequence[Address], destination: Destination
    ) -> trio.SocketStream:
        place, problem = authority(destination.host, destination.port), ""
        for address in addresses:
            try:
                with trio.fail_after(CONNECT_SECONDS_MAX):
                    return await self.connect(address, destination.port)
            except trio.TooSlowError:
                problem = f"{address} did not answer within {CONNECT_SECONDS_MAX:g} s"
            except OSError as error:
                problem = f"{address}: {_reason(error)}"
        raise NoAnswer(f"{place} was not reached: {problem}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
