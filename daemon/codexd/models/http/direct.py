"""Requests to a provider that is reached without a proxy: connections of our own, which h11 speaks HTTP/1.1 on. I/O.

A request by way of the library above h11 costs three times as much, for what a direct connection does not need: a
choice of protocols, hooks, locks between threads, and a layer for each of them (decision 0065).
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Final

import h11
import trio

from codexd.models.http.answer import Outgoing
from codexd.models.http.connection import (
    CLOSE_SECONDS,
    KEPT_CONNECTIONS_MAX,
    KEPT_SECONDS,
    READ_BYTES,
    Connection,
    ConnectionBroken,
    connect,
)
from codexd.models.http.messages import CONNECT_SECONDS
from codexd.models.http.proxies import DEFAULT_PORTS

# Of a response's head: providers send some kilobytes.
HEAD_BYTES_MAX: Final = 100 * 1024


class DirectSender:
    """The connections to one provider. It implements `Sender`."""

    def __init__(self, certificates: ssl.SSLContext | None) -> None:
        """`certificates` are trusted; None for a provider without TLS."""
        if certificates is not None:
            certificates.set_alpn_protocols(["http/1.1"])
        self._certificates = certificates
        self._kept: list[_Line] = []  # that are idle, the newest last
        self._is_closed = False

    async def send(self, request: Outgoing) -> DirectAnswer:
        """Raises: ConnectFailed, ConnectionBroken."""
        line = await self._kept_line() or await self._new_line(request)
        answer = None
        try:
            answer = DirectAnswer(self, line, await line.ask(request))
            return answer
        finally:
            if answer is None:
                await line.close()

    async def aclose(self) -> None:
        """Close the kept connections."""
        self._is_closed = True
        kept, self._kept = self._kept, []
        for line in kept:
            await line.close()

    async def take_back(self, line: _Line) -> None:
        """A response was read to its end: keep its connection, if another request may be sent on it."""
        if self._is_closed or not line.is_free():
            await line.close()
            return
        line.idle_since = trio.current_time()
        self._kept.append(line)
        while len(self._kept) > KEPT_CONNECTIONS_MAX:
            await self._kept.pop(0).close()

    async def _kept_line(self) -> _Line | None:
        """A connection that was kept; those that have ended meanwhile, or are too old, are closed."""
        oldest = trio.current_time() - KEPT_SECONDS
        while self._kept:
            line = self._kept.pop()
            if line.idle_since >= oldest and not line.connection.is_readable():
                return line
            await line.close()
        return None

    async def _new_line(self, request: Outgoing) -> _Line:
        host, port = request.url.raw_host.decode("ascii"), request.url.port
        connection = await connect(host, port or DEFAULT_PORTS[request.url.scheme], CONNECT_SECONDS)
        if self._certificates is not None:
            connection = await connection.encrypt(self._certificates, host, CONNECT_SECONDS)
        return _Line(connection)


class DirectAnswer:
    """It implements `Answer`."""

    def __init__(self, sender: DirectSender, line: _Line, head: h11.Response) -> None:
        self._sender, self._line = sender, line
        self.connection = line.connection
        self.status = head.status_code
        self.headers = joined(head.headers)
        self._is_read = self._is_closed = False

    async def read(self) -> bytes:
        """Raises: ConnectionBroken."""
        if self._is_read:
            return b""
        event = await self._line.next_event()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        self._is_read = True
        return b""

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_read:
            await self._sender.take_back(self._line)
        else:
            await self._line.close()


class _Line:
    """One connection, and what HTTP/1.1 says of it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.idle_since = 0.0
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)

    async def ask(self, request: Outgoing) -> h11.Response:
        """Send a request, and read the head of its response. Raises: ConnectionBroken."""
        url, body = request.url, request.body
        own = ("Host", url.netloc.decode("ascii")), ("Content-Length", str(len(body)))
        headers = [own[0], *request.headers, own[1]]
        try:
            head = h11.Request(method="POST", target=url.raw_path, headers=headers)
            sent = self._wire.send(head), self._wire.send(h11.Data(body))
            self._wire.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise ConnectionBroken(str(error)) from error
        try:
            for part in sent:
                await self.connection.write(part or b"")
        except ConnectionBroken:
            pass  # A server that refuses may close before it has read all; its answer says why.
        while not isinstance(event := await self.next_event(), h11.Response):
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise ConnectionBroken("the server speaks another protocol")
        return event

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """What comes next of the response. Raises: ConnectionBroken."""
        while True:
            try:
                event = self._wire.next_event()
            except h11.RemoteProtocolError as error:
                raise ConnectionBroken(str(error)) from error
            if isinstance(event, h11.Event) or event is h11.PAUSED:
                return event
            data = await self.connection.read(READ_BYTES)
            if not data and self._wire.their_state is h11.SEND_RESPONSE:
                raise ConnectionBroken("Server disconnected without sending a response.")
            self._wire.receive_data(data)

    def is_free(self) -> bool:
        """Whether another request may be sent on it; then it is ready for that."""
        wire = self._wire
        if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
            return False
        if wire.trailing_data[0]:
            return False
        wire.start_next_cycle()
        return True

    async def close(self) -> None:
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await self.connection.aclose()


def joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers, whose names are in small letters; those that came several times in one."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("ascii"), _text(value)
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")  # as HTTP/1.1 once said
