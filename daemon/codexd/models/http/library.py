"""The HTTP library on connections of ours: for requests through a proxy, and for those that are no stream. I/O.

Only the transport of httpx is used: its client would add cookies, redirects and content decoding, which a request
with a key must not have. httpcore is its half that owns connections. `Network` and `NetworkStream` are the
`AsyncNetworkBackend` and `AsyncNetworkStream` of that by shape, not by inheritance, so that importing this file does not
import it.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import trio

from codexd.models.http.answer import Outgoing
from codexd.models.http.connection import (
    CLOSE_SECONDS,
    ConnectFailed,
    Connection,
    ConnectionBroken,
    connect,
)
from codexd.models.http.messages import TIMEOUTS, reason_of

if TYPE_CHECKING:
    import httpx


class Network:
    """Opens connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: object = None,
    ) -> NetworkStream:
        """Connect. The last two are part of the shape, and never asked for here.

        Raises:
            httpcore.ConnectError
        """
        import httpcore

        try:
            return NetworkStream(await connect(host, port, _seconds(timeout)))
        except ConnectFailed as error:
            raise httpcore.ConnectError(str(error)) from error


class NetworkStream:
    """A connection as httpcore sees it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The bytes of the next read; empty at the end. The timeout is the caller's, outside.

        Raises:
            httpcore.ReadError
        """
        import httpcore

        try:
            return await self.connection.read(max_bytes)
        except ConnectionBroken as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a part of a request. Raises: httpcore.WriteError."""
        import httpcore

        try:
            await self.connection.write(buffer)
        except ConnectionBroken as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close the connection."""
        await self.connection.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> NetworkStream:
        """The same connection, encrypted from here on. Raises: httpcore.ConnectError."""
        import httpcore

        try:
            return NetworkStream(
                await self.connection.encrypt(ssl_context, server_hostname, _seconds(timeout))
            )
        except ConnectFailed as error:
            raise httpcore.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> object:
        """The question of httpcore about a connection: whether it is readable while it is idle."""
        return self.connection.is_readable() if info == "is_readable" else None


class ProxiedSender:
    """The connections to one provider. It implements `Sender`."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._transport = transport

    async def send(self, request: Outgoing) -> ProxiedAnswer:
        """Raises: ConnectFailed, ConnectionBroken."""
        import httpx

        sent = httpx.Request(
            "POST",
            request.url,
            headers=list(request.headers),
            content=request.body,
            extensions={"timeout": TIMEOUTS},
        )
        with failures_as_ours():
            return ProxiedAnswer(await self._transport.handle_async_request(sent))

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._transport.aclose()


class ProxiedAnswer:
    """It implements `Answer`."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = dict(response.headers.items())
        network: NetworkStream = response.extensions["network_stream"]
        self.connection = network.connection
        self._stream = cast("httpx.AsyncByteStream", response.stream)
        self._chunks: AsyncIterator[bytes] = aiter(self._stream)
        self._is_read = False

    async def read(self) -> bytes:
        """Raises: ConnectionBroken."""
        with failures_as_ours():
            chunk = await anext(self._chunks, b"")
        self._is_read = not chunk
        return chunk

    async def close(self) -> None:
        """The response is a stack of async generators. A closed connection makes the innermost fail, and all of them
        end in order; left to the garbage collector they would be trio's to complain of.
        """
        if self._is_read:
            await self._stream.aclose()  # httpcore shields it from cancellation by itself.
            return
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            with suppress(ConnectionBroken):
                await self.connection.aclose()
                while await self.read():
                    pass
            await self._stream.aclose()


@contextmanager
def failures_as_ours() -> Iterator[None]:
    """What the library fails with, as the failures of connections. Raises: ConnectFailed, ConnectionBroken."""
    import httpx

    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise ConnectFailed(reason_of(error)) from error
    except httpx.TransportError as error:
        raise ConnectionBroken(reason_of(error)) from error


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout
