"""Connections to a provider whose HTTP chunks are joined (see chunks.py), in the form that httpcore asks for.

httpcore is the layer of httpx that owns connections. The two classes here are its `AsyncNetworkBackend`
and `AsyncNetworkStream` by shape, not by inheritance, so that importing this file does not import it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from codexd.models.chunks import ChunkJoiner

if TYPE_CHECKING:
    import httpcore


class JoiningBackend:
    """Opens connections by another backend, and joins the chunks that they bring."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> JoiningStream:
        """Connect, with TCP_NODELAY as trio sets it."""
        return JoiningStream(
            await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> JoiningStream:
        """Connect to a socket in the file system."""
        return JoiningStream(await self._backend.connect_unix_socket(path, timeout, socket_options))

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts to connect."""
        await self._backend.sleep(seconds)


class JoiningStream:
    """One connection."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._joiner = ChunkJoiner()
        self._closed = False
        self._head = b""  # of a request, held back until its body is written: one packet instead of two

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What the next read brings, with its chunks joined; empty at the end. May exceed `max_bytes` by
        a head that came in pieces, and a chunk's frame: those who ask take any length."""
        while True:
            received = await self._stream.read(max_bytes, timeout)
            if not received:
                return self._joiner.end()
            if joined := self._joiner.feed(received):
                return joined

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a part of a request. A head with a body to come goes out together with it."""
        self._joiner.begin()
        if not self._head and buffer.startswith(b"POST ") and buffer.endswith(b"\r\n\r\n"):
            self._head = buffer
            return
        head, self._head = self._head, b""
        await self._stream.write(head + buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection; a read that waits fails."""
        self._closed = True
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> JoiningStream:
        """The same connection, encrypted from here on."""
        return JoiningStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What is known of the socket beneath.

        httpcore asks an idle connection whether it is readable to learn that its peer has gone. Ours may be
        idle and closed, when the end of a response was at hand before we closed it in the middle.
        """
        if info == "is_readable" and self._closed:
            return True
        return self._stream.get_extra_info(info)
