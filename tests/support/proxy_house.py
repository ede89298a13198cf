"""A proxy as its clients meet it: a real socket, a made-up internet on loopback, and a gate that is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

import trio

from codexd.core.rules.network_rules import NetworkRules, read_domains, refusal
from codexd.core.values.hosts import Address
from codexd.network.dial import Outside
from codexd.network.gate import Destination, Refused
from codexd.network.proxy import Proxy

PUBLIC = "93.184.215.14"
OTHER = "151.101.1.69"

Serve = Callable[[trio.SocketStream], Awaitable[None]]


def rules(
    allow: tuple[str, ...] = (), deny: tuple[str, ...] = (), *, local: bool = False
) -> NetworkRules:
    return NetworkRules(read_domains(allow), read_domains(deny), local)


class ScriptedGate:
    """A gate with rules; it answers questions from a set, and records all that happens."""

    def __init__(self, now: NetworkRules, accepts: frozenset[str] = frozenset()) -> None:
        self.now, self.accepts = now, accepts
        self.asked: list[Destination] = []
        self.refusals: list[str] = []

    def rules(self) -> NetworkRules:
        return self.now

    async def ask(self, destination: Destination) -> None:
        self.asked.append(destination)
        await trio.lowlevel.checkpoint()
        if destination.host not in self.accepts:
            raise Refused(refusal("not listed", destination.host, destination.port))

    def refused(self, message: str) -> None:
        self.refusals.append(message)


class MadeUpInternet:
    """Names with addresses, and one server on loopback that stands behind all of them."""

    def __init__(self, names: Mapping[str, tuple[str, ...]], port: int) -> None:
        self.names, self._port = dict(names), port
        self.looked_up: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.unreachable: frozenset[str] = frozenset()

    async def resolve(self, host: str, port: int) -> list[Address]:
        await trio.lowlevel.checkpoint()
        self.looked_up.append(host)
        if host not in self.names:
            raise OSError(-2, "Name or service not known")
        return [ip_address(text) for text in self.names[host]]

    async def connect(self, address: Address, port: int) -> trio.SocketStream:
        self.connected.append((str(address), port))
        if str(address) in self.unreachable:
            raise ConnectionRefusedError(111, "Connection refused")
        return await trio.open_tcp_stream("127.0.0.1", self._port)


class ProxyHouse:
    """A running proxy: `connect` is a client's connection."""

    def __init__(self, proxy: Proxy, gate: ScriptedGate, internet: MadeUpInternet) -> None:
        self.proxy, self.gate, self.internet = proxy, gate, internet
        self._nursery: trio.Nursery | None = None

    def connect(self) -> trio.SocketStream:
        assert self._nursery is not None
        near, far = trio.socket.socketpair()
        self._nursery.start_soon(self.proxy.serve_connection, trio.SocketStream(far))
        return trio.SocketStream(near)

    async def say(self, sent: bytes) -> bytes:
        """The whole answer to these bytes, after which the client says nothing more."""
        async with self.connect() as client:
            await client.send_all(sent)
            await client.send_eof()
            return await read_all(client)

    async def within_tunnel(self, host: str, sent: bytes, port: int = 443) -> bytes:
        """What comes back for the first bytes within a tunnel; both sides end what they say."""
        async with self.connect() as client:
            await client.send_all(connect_to(f"{host}:{port}"))
            await read_head(client)
            await client.send_all(sent)
            await client.send_eof()
            return await read_all(client)


@asynccontextmanager
async def proxy_house(
    now: NetworkRules,
    serve: Serve,
    *,
    names: Mapping[str, tuple[str, ...]] | None = None,
    accepts: frozenset[str] = frozenset(),
) -> AsyncIterator[ProxyHouse]:
    """A proxy before a server; by default `example.com` and `other.com` have public addresses."""
    known = {"example.com": (PUBLIC,), "other.com": (OTHER,)} if names is None else names

    async def serve_one(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):  # The proxy has ended the connection.
            await serve(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve_one, listeners)
        gate, internet = ScriptedGate(now, accepts), MadeUpInternet(known, port)
        house = ProxyHouse(Proxy(gate, Outside(internet.resolve, internet.connect)), gate, internet)
        async with trio.open_nursery() as connections:
            house._nursery = connections
            yield house
            connections.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def echo(stream: trio.SocketStream) -> None:
    """Send everything back; end when the other side does."""
    async with stream:
        while data := await stream.receive_some(65536):
            await stream.send_all(data)
        await stream.send_eof()


class RecordingServer:
    """Answers each connection with the same bytes, after the first blank line or `after`; keeps all that came."""

    def __init__(self, answer: bytes, after: bytes = b"\r\n\r\n") -> None:
        self.answer, self._after = answer, after
        self.received: list[bytes] = []

    async def __call__(self, stream: trio.SocketStream) -> None:
        at = len(self.received)
        self.received.append(b"")
        async with stream:
            while self._after not in self.received[at]:
                data = await stream.receive_some(65536)
                if not data:
                    return
                self.received[at] += data
            await stream.send_all(self.answer)
            await stream.send_eof()
            while data := await stream.receive_some(65536):
                self.received[at] += data


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def connect_to(authority: str) -> bytes:
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()


async def read_all(stream: trio.SocketStream) -> bytes:
    found = b""
    try:
        while data := await stream.receive_some(65536):
            found += data
    except trio.BrokenResourceError:
        pass  # It was ended while bytes were on their way: what had come stays.
    return found


async def read_head(stream: trio.SocketStream) -> bytes:
    """To the blank line after a header, and not a byte further."""
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        data = await stream.receive_some(1)
        if not data:
            break
        found += data
    return found
