"""One connection to a provider, on trio; I/O.

It takes the body of a chunked response out before the HTTP library sees it (see chunks.py): `take_body` is a
read and nothing more, where the way through the library costs several times as much as the read itself.

    ConnectFailed       no connection came about
    ConnectionBroken    one that was there is no more
"""

from __future__ import annotations

import ssl
from typing import Final

import trio

from codexd.models.http.chunks import ChunkTaker

READ_BYTES: Final = 64 * 1024
# How much of a request is encrypted and offered to the socket at a time: others have their turn between two.
WRITE_BYTES: Final = 256 * 1024
# Connections kept open between requests, and for how long: threads return within seconds, and load
# balancers close what is idle for a minute or so.
KEPT_CONNECTIONS_MAX: Final = 32
KEPT_SECONDS: Final = 55.0
# Closing a connection is local work. The bound is for a TLS peer that does not take our farewell.
CLOSE_SECONDS: Final = 1.0


class ConnectFailed(Exception):
    """No connection came about: no such host, refused, no TLS, too slow."""


class ConnectionBroken(Exception):
    """The connection is closed, by the other side or by this side."""


async def connect(host: str, port: int, seconds: float) -> Connection:
    """Connect by TCP, to the address of the host that answers first. Raises: ConnectFailed."""
    try:
        with trio.fail_after(seconds):
            stream = await trio.open_tcp_stream(host, port)
    except trio.TooSlowError as error:
        raise ConnectFailed(f"no connection within {seconds:g} s") from error
    except OSError as error:
        raise ConnectFailed(str(error)) from error
    return Connection(stream, stream)


class Connection:
    """One connection, and where in a response it is."""

    def __init__(self, stream: trio.abc.Stream, beneath: trio.SocketStream) -> None:
        self._stream = stream
        self._beneath = beneath
        self._chunks = ChunkTaker()
        self._closed = False
        # Of a request, held back until its body is written: one packet instead of two.
        self._head = b""

    @property
    def in_body(self) -> bool:
        """Whether chunks come next, for `take_body`."""
        return self._chunks.in_body

    async def take_body(self) -> bytes:
        """The next bytes of a chunked body. Empty when the next bytes are for `read`: the end of
        the body or of the connection, or something malformed.
        """
        if body := self._chunks.take(b""):
            return body
        while self._chunks.in_body:
            try:
                received = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return b""  # `read` meets the same, and says so
            if not received:
                return b""
            if body := self._chunks.take(bytes(received)):
                return body
        return b""

    async def read(self, bytes_max: int) -> bytes:
        """The bytes of the next read; empty at the end. Bytes that were held back come before them.

        Raises:
            ConnectionBroken
        """
        if held := self._chunks.feed(b""):
            return held
        while True:
            try:
                received = await self._stream.receive_some(bytes_max)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionBroken(str(error)) from error
            passed_on = self._chunks.feed(bytes(received))
            if passed_on or not received:
                return passed_on

    async def write(self, part: bytes) -> None:
        """Send a part of a request. A head with a body to come goes out together with it.

        Raises:
            ConnectionBroken
        """
        self._chunks.begin()
        if not self._head and part.startswith(b"POST ") and part.endswith(b"\r\n\r\n"):
            self._head = part
            return
        head, self._head = self._head, b""
        if not head and not part:  # the end of a body whose length was told: nothing to send
            return
        try:
            await self._stream.send_all(head + part[:WRITE_BYTES])
            for at in range(WRITE_BYTES, len(part), WRITE_BYTES):
                await self._stream.send_all(part[at : at + WRITE_BYTES])
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionBroken(str(error)) from error

    async def aclose(self) -> None:
        """Close it; a read that waits fails."""
        self._closed = True
        await self._stream.aclose()

    async def encrypt(
        self, context: ssl.SSLContext, hostname: str | None, seconds: float
    ) -> Connection:
        """The same connection with TLS from here on. Raises: ConnectFailed; it is closed then."""
        stream = trio.SSLStream(
            self._stream, context, server_hostname=hostname, https_compatible=True
        )
        try:
            with trio.fail_after(seconds):
                await stream.do_handshake()
        except (trio.TooSlowError, trio.BrokenResourceError) as error:
            await trio.aclose_forcefully(stream)
            reason = str(error.__cause__ or error) or f"no TLS handshake within {seconds:g} s"
            raise ConnectFailed(reason) from error
        return Connection(stream, self._beneath)

    def is_readable(self) -> bool:
        """Whether a read would not wait: of an idle connection, that it has ended.

        It may be idle and closed, when the end of a response was at hand as it was closed in the middle.
        """
        return self._closed or self._beneath.socket.is_readable()
