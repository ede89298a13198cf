"""Connections in the form that httpcore asks for; httpcore is the half of httpx that owns connections.

`Network` and `NetworkStream` are its `AsyncNetworkBackend` and `AsyncNetworkStream` by shape, not by
inheritance, so that importing this file does not import it.
"""

from __future__ import annotations

import math
import ssl

from codexd.models.http.connection import ConnectFailed, Connection, ConnectionBroken, connect


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


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout
