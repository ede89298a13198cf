"""HTTP/1 through the proxy: CONNECT, requests with an absolute URI, and requests within a tunnel. I/O.

Each request is read as a whole, checked, and written again, so that the server reads no other request than the
proxy did. One request is carried by a connection, and its `Host` names the machine that it goes to. A connection
that becomes a WebSocket is carried as it is. Sources: RFC 9110 7.6 to 7.8, RFC 9112 3.2, 6 and 11.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import h11
import msgspec
import trio

from codexd.core.rules.network_rules import NetworkRules
from codexd.core.values.hosts import BadHost, authority, read_authority
from codexd.network.gate import Destination, may_name
from codexd.network.streams import READ_BYTES, Idle, ReadFirst, relay

# The line of a request and its headers; cookies and tokens take some kilobytes.
HEADER_BYTES_MAX: Final = 64 * 1024
HTTP_PORT: Final = 80

_ABSOLUTE: Final = re.compile(rb"(?i:http)://([^/?#]*)([^#]*)")
# About one connection, not about the message.
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
_Headers = Sequence[tuple[bytes, bytes]]


class BadRequest(Exception):
    """A request that is not carried, and the status that says so."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Asked(msgspec.Struct, frozen=True):
    """A request that may be carried to its destination."""

    request: h11.Request
    destination: Destination
    target: bytes  # at the destination; empty for a CONNECT

    @property
    def host(self) -> bytes:
        """Its `Host`."""
        found = _values(self.request.headers, b"host")
        return (
            found[0] if found else authority(self.destination.host, self.destination.port).encode()
        )


class Client:
    """A client's side of one request."""

    def __init__(self, stream: ReadFirst) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES_MAX)

    async def request(self) -> h11.Request | None:
        """The request; None if the client sent nothing. Raises: BadRequest, BrokenResourceError."""
        try:
            event = await self._next()
        except h11.RemoteProtocolError as error:
            raise BadRequest(
                f"The request cannot be read: {error}.", error.error_status_hint
            ) from error
        if isinstance(event, h11.ConnectionClosed):
            return None
        assert isinstance(event, h11.Request)
        if not event.http_version.startswith(b"1."):
            raise BadRequest("Expected HTTP/1.1.", 505)
        return event

    async def body(self) -> h11.Data | h11.EndOfMessage:
        """The next part of its body. Raises: EOFError, BrokenResourceError."""
        try:
            event = await self._next()
        except h11.RemoteProtocolError as error:
            raise EOFError(str(error)) from error
        assert isinstance(event, h11.Data | h11.EndOfMessage)
        return event

    async def send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self._stream.stream.send_all(data)

    async def refuse(self, status: int, message: str, header: str | None = None) -> None:
        """Answer with an error. The reason phrase has it too, since most programs show nothing else."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = f"{message}\n".encode(errors="replace")
        extra = [("x-proxy-error", header)] if header is not None else []
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(body))),
            ("connection", "close"),
            *extra,
        ]
        reason = re.sub(r"[^ -~]", "?", message)
        await self.send(h11.Response(status_code=status, headers=headers, reason=reason))
        await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())

    async def accept_tunnel(self) -> ReadFirst:
        """Answer a CONNECT; the client's bytes from there on."""
        await self.body()  # The end of the request: it has no body.
        await self.send(h11.Response(status_code=200, headers=[], reason=b"Connection established"))
        return self.rest()

    def rest(self) -> ReadFirst:
        """The client's bytes after the request."""
        return ReadFirst(self._stream.stream, self._http.trailing_data[0])

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some())
        return event  # type: ignore[return-value]  # h11 has no better types


def asked_of_proxy(request: h11.Request) -> Asked:
    """What a request asks of a proxy. Raises: BadRequest."""
    try:
        if request.method == b"CONNECT":
            host, port = read_authority(request.target.decode())
            return Asked(request, Destination(host, port, "https"), b"")
        absolute = _ABSOLUTE.fullmatch(request.target)
        if absolute is None:
            raise BadRequest(
                "Expected CONNECT, or a request with an absolute http:// URI: this is a proxy."
            )
        host, port = read_authority(absolute[1].decode(), HTTP_PORT)
        for name in _values(request.headers, b"host"):
            if read_authority(name.decode(), HTTP_PORT) != (host, port):
                raise BadRequest("Expected a `Host` that is the one of the URI, found another.")
    except (BadHost, UnicodeDecodeError) as error:
        raise BadRequest(f"The request leads nowhere: {error}.") from error
    path = absolute[2]
    path = path if path.startswith(b"/") else b"/" + path
    return Asked(request, Destination(host, port, "http"), path)


def asked_in_tunnel(request: h11.Request, destination: Destination, rules: NetworkRules) -> Asked:
    """The same for a request within a tunnel: it must be for the tunnel's destination. Raises: BadRequest."""
    if request.method == b"CONNECT":
        raise BadRequest("Expected no CONNECT within a tunnel.", 405)
    target = request.target
    absolute = _ABSOLUTE.fullmatch(target)
    names = [*_values(request.headers, b"host"), *([absolute[1]] if absolute else [])]
    if absolute is None and not target.startswith(b"/") and target != b"*":
        raise BadRequest("Expected a path, or an absolute http:// URI.")
    for name in names:
        try:
            host, _ = read_authority(name.decode(), destination.port)
        except (BadHost, UnicodeDecodeError) as error:
            raise BadRequest(f"The request leads nowhere: {error}.") from error
        if not may_name(rules, destination, host):
            raise BadRequest(
                f"This tunnel leads to {destination.host}, found a request to {host}.", 421
            )
    return Asked(request, destination, target)


async def forward(client: Client, asked: Asked, upstream: trio.SocketStream, idle: Idle) -> None:
    """Carry one request and its response. Raises: EOFError, BrokenResourceError, in a group."""
    server = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES_MAX)
    request = asked.request
    headers = _carried(request.headers, upgrade=_is_websocket(request))
    sent = h11.Request(
        method=request.method, target=asked.target, headers=[(b"host", asked.host), *headers]
    )
    await upstream.send_all(server.send(sent) or b"")
    switched = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_upload, client, server, upstream, idle)
        try:
            switched = await _download(client, server, upstream, idle)
        except h11.RemoteProtocolError as error:
            await client.refuse(502, f"The server's answer cannot be read: {error}.")
        nursery.cancel_scope.cancel()
    if switched:
        await relay(client.rest(), ReadFirst(upstream, server.trailing_data[0]), idle)


async def _upload(
    client: Client, server: h11.Connection, upstream: trio.SocketStream, idle: Idle
) -> None:
    event: h11.Event | None = None
    while not isinstance(event, h11.EndOfMessage):
        event = await client.body()
        idle.something_happened()
        data = server.send(event)
        if data:
            await upstream.send_all(data)


async def _download(
    client: Client, server: h11.Connection, upstream: trio.SocketStream, idle: Idle
) -> bool:
    """Carry the response; whether the connection is a WebSocket from here on. Raises: RemoteProtocolError."""
    while True:
        event = server.next_event()
        if event is h11.NEED_DATA:
            server.receive_data(await upstream.receive_some(READ_BYTES))
            idle.something_happened()
        elif isinstance(event, h11.InformationalResponse):
            switches = event.status_code == 101  # Switching Protocols
            await client.send(_response(event, upgrade=switches))
            if switches:
                return True
        elif isinstance(event, h11.Response):
            await client.send(_response(event, upgrade=False))
        elif isinstance(event, h11.Data | h11.EndOfMessage):
            await client.send(event)
            if isinstance(event, h11.EndOfMessage):
                return False
        else:
            return False
        idle.something_happened()


_Answer = h11.Response | h11.InformationalResponse


def _response(event: _Answer, *, upgrade: bool) -> _Answer:
    headers = _carried(event.headers, upgrade=upgrade)
    return type(event)(status_code=event.status_code, headers=headers, reason=event.reason)


def _carried(headers: _Headers, *, upgrade: bool) -> list[tuple[bytes, bytes]]:
    """The headers beside `Host` that go on to the other side, where this connection ends with its message."""
    dropped = set(_HOP_BY_HOP)
    for value in _values(headers, b"connection"):
        dropped |= {name.strip().lower() for name in value.split(b",")}
    if _values(headers, b"transfer-encoding"):
        dropped.add(b"content-length")  # Or the next reader could believe the length.
    dropped -= {b"transfer-encoding"}
    dropped.add(b"host")
    carried = [(name, value) for name, value in headers if name.lower() not in dropped]
    if upgrade:
        return [*carried, (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    return [*carried, (b"connection", b"close")]


def _is_websocket(request: h11.Request) -> bool:
    # Over other protocols further requests could follow, to other names.
    upgrades = [value.strip().lower() for value in _values(request.headers, b"upgrade")]
    return upgrades == [b"websocket"]


def _values(headers: _Headers, name: bytes) -> list[bytes]:
    return [value for found, value in headers if found.lower() == name]
