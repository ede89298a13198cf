"""The proxy: takes connections on a Unix socket, and carries those that its gate admits. I/O.

    first byte 5     SOCKS5                      -> a tunnel
    otherwise        HTTP/1: CONNECT             -> a tunnel
                             an absolute URI     -> one request

A tunnel's own first bytes are looked at as well: TLS and HTTP name the server that they want, which must be the
one that was admitted. What is neither is carried as it is.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec
import trio

from codexd.core.values.hosts import shown
from codexd.network import socks5
from codexd.network.client_hello import BadHello, is_tls, server_names
from codexd.network.dial import NoAnswer, Outside
from codexd.network.gate import Destination, Gate, Refused, admit, may_name
from codexd.network.streams import Idle, ReadFirst, pump

log = logging.getLogger(__name__)

# A build fetches some dozens of packages at a time.
CONNECTIONS_MAX: Final = 128
# A request is sent at once; a program that needs longer holds a place that others could have.
REQUEST_SECONDS_MAX: Final = 30.0
# No other protocol of text begins with such a long line.
FIRST_LINE_BYTES_MAX: Final = 16 * 1024
_PRINTABLE: Final = range(0x21, 0x7F)


class Proxy(msgspec.Struct, frozen=True):
    """A proxy behind one socket, whose connections are all judged by one gate."""

    gate: Gate
    outside: Outside

    async def serve(self, listener: trio.SocketListener) -> None:
        """Serve connections until cancelled."""
        places = trio.CapacityLimiter(CONNECTIONS_MAX)

        async def serve_one(stream: trio.SocketStream) -> None:
            try:
                places.acquire_nowait()
            except trio.WouldBlock:
                return  # It is closed: programs try again later.
            try:
                await self.serve_connection(stream)
            finally:
                places.release()

        await trio.serve_listeners(serve_one, [listener])

    async def serve_connection(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end. Its errors end it, and nothing else."""
        try:
            async with stream:
                await self._serve_stream(ReadFirst(stream))
        except* (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
            pass  # One of the two sides has left.
        except* Exception:
            # A connection is one of the places where any exception becomes a record.
            log.exception("the proxy lost a connection")

    async def _serve_stream(self, client: ReadFirst) -> None:
        with trio.move_on_after(REQUEST_SECONDS_MAX):
            await client.see_more()
        if client.seen[:1] == bytes((socks5.VERSION,)):
            await self._serve_socks(client)
        elif client.seen:
            await self._serve_http(client)

    async def _serve_socks(self, client: ReadFirst) -> None:
        try:
            with trio.fail_after(REQUEST_SECONDS_MAX):
                destination = await socks5.asked_by_socks(client)
        except (socks5.BadSocks, trio.TooSlowError):
            return
        try:
            upstream = await self._reach(destination)
        except Refused:
            await socks5.answer(client, socks5.NOT_ALLOWED)
        except NoAnswer:
            await socks5.answer(client, socks5.UNREACHABLE)
        else:
            async with upstream:
                await socks5.answer(client, socks5.GRANTED)
                await self._tunnel(client, upstream, destination)

    async def _serve_http(self, stream: ReadFirst) -> None:
        from codexd.network.plain_http import BadRequest, Client, asked_of_proxy, forward

        client = Client(stream)
        try:
            with trio.fail_after(REQUEST_SECONDS_MAX):
                request = await client.request()
            if request is None:
                return
            asked = asked_of_proxy(request)
            upstream = await self._reach(asked.destination)
        except BadRequest as bad:
            await client.refuse(bad.status, str(bad))
        except Refused as refused:
            await client.refuse(403, str(refused), refused.header)
        except NoAnswer as problem:
            await client.refuse(502, f"codexd: {problem}.")
        except trio.TooSlowError:
            await client.refuse(408, f"Expected a request within {REQUEST_SECONDS_MAX:g} s.")
        else:
            async with upstream:
                if asked.target:
                    idle = Idle()
                    with idle.scope:
                        await forward(client, asked, upstream, idle)
                else:
                    await self._tunnel(await client.accept_tunnel(), upstream, asked.destination)

    async def _reach(self, destination: Destination) -> trio.SocketStream:
        """Raises: Refused, NoAnswer."""
        try:
            await admit(self.gate, destination)
            return await self.outside.dial(destination, self.gate.rules())
        except Refused as refused:
            self.gate.refused(str(refused))
            raise

    async def _tunnel(
        self, client: ReadFirst, upstream: trio.SocketStream, destination: Destination
    ) -> None:
        """Carry a tunnel, after a look at what its client says first."""
        idle, server = Idle(), ReadFirst(upstream)
        with idle.scope:
            http = False
            async with trio.open_nursery() as nursery:
                # Servers of some protocols speak first, and their clients wait for that.
                nursery.start_soon(pump, server, client.stream, idle)
                http = await self._is_http(client, destination)
                if not http:
                    await pump(client, upstream, idle)
                    return
                nursery.cancel_scope.cancel()
            await self._serve_http_within(client, upstream, destination, idle)

    async def _is_http(self, client: ReadFirst, destination: Destination) -> bool:
        """Whether a tunnel begins with a request of HTTP. Raises: EOFError, where it may not go on."""
        while (found := _begins_as_http(client.seen)) is None:
            if not await client.see_more():
                return False
        if is_tls(client.seen):
            await self._check_hello(client, destination)
        return found

    async def _check_hello(self, client: ReadFirst, destination: Destination) -> None:
        """Raises: EOFError, where a ClientHello is for another server."""
        try:
            while (names := server_names(client.seen)) is None:
                if not await client.see_more():
                    raise EOFError("the client left within its ClientHello")
        except BadHello as bad:
            self._end(destination, f"begins with a ClientHello that cannot be read: {bad}")
        for name in names or ():
            if not may_name(self.gate.rules(), destination, name):
                self._end(destination, f"asks in TLS for {shown(name)}, which is not in the list")

    def _end(self, destination: Destination, what: str) -> None:
        message = f"A connection to {destination.host}:{destination.port} was ended: it {what}."
        self.gate.refused(message)
        raise EOFError(message)

    async def _serve_http_within(
        self, stream: ReadFirst, upstream: trio.SocketStream, destination: Destination, idle: Idle
    ) -> None:
        from codexd.network.plain_http import BadRequest, Client, asked_in_tunnel, forward

        client = Client(stream)
        try:
            request = await client.request()
            if request is None:
                return
            asked = asked_in_tunnel(request, destination, self.gate.rules())
        except BadRequest as bad:
            self.gate.refused(f"A request was refused: {bad}")
            await client.refuse(bad.status, str(bad))
        else:
            await forward(client, asked, upstream, idle)


def _begins_as_http(first: bytes) -> bool | None:
    """Whether these are the first bytes of a request of HTTP; None if more are needed to know.

    In doubt they are: the reader of requests is strict, while some servers take a line for a request that is none.
    """
    line = first.lstrip(b"\r\n")
    if line and line[0] not in _PRINTABLE:
        return False
    end = line.find(b"\n")
    if end >= 0:
        return b"HTTP/" in line[:end].upper()
    if b"\0" in line:
        return False  # Protocols of bytes have it early.
    return True if len(first) > FIRST_LINE_BYTES_MAX else None
