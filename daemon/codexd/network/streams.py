"""Streams of a tunnel: bytes that are looked at before they go on, and two streams that carry each other's bytes. I/O.

Nothing is read before what was read is written, so a slow reader slows its writer and fills no memory.
"""

from __future__ import annotations

from typing import Final

import trio

READ_BYTES: Final = 64 * 1024
# Neither side has said anything for so long: programs that keep connections open say something within minutes.
IDLE_SECONDS_MAX: Final = 900.0


class ReadFirst:
    """A stream whose first bytes can be looked at, and are received by the next who reads."""

    def __init__(self, stream: trio.SocketStream, first: bytes = b"") -> None:
        self.stream, self.seen = stream, first

    async def see_more(self) -> bool:
        """Wait for more bytes to look at, in `seen`; False at the stream's end. Raises: BrokenResourceError."""
        more = await self.stream.receive_some(READ_BYTES)
        self.seen += more
        return bool(more)

    async def take_exactly(self, count: int) -> bytes:
        """So many bytes. Raises: EOFError, BrokenResourceError."""
        while len(self.seen) < count:
            if not await self.see_more():
                raise EOFError(f"expected {count} bytes, found {len(self.seen)}")
        taken, self.seen = self.seen[:count], self.seen[count:]
        return taken

    async def receive_some(self) -> bytes:
        """What comes next; empty at its end. Raises: BrokenResourceError."""
        if self.seen:
            await trio.lowlevel.checkpoint()
            taken, self.seen = self.seen, b""
            return taken
        return await self.stream.receive_some(READ_BYTES)


class Idle:
    """Ends what runs within it when nothing has happened for too long."""

    def __init__(self, seconds: float = IDLE_SECONDS_MAX) -> None:
        self._seconds = seconds
        self.scope = trio.CancelScope()
        self.something_happened()

    def something_happened(self) -> None:
        self.scope.deadline = trio.current_time() + self._seconds


async def pump(source: ReadFirst, target: trio.SocketStream, idle: Idle) -> None:
    """Carry bytes to the end of the source, and then end the target. Raises: BrokenResourceError."""
    while data := await source.receive_some():
        idle.something_happened()
        await target.send_all(data)
        idle.something_happened()
    await target.send_eof()


async def relay(client: ReadFirst, upstream: ReadFirst, idle: Idle) -> None:
    """Carry bytes in both directions, each to its end. Raises: BrokenResourceError, in a group."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump, client, upstream.stream, idle)
        nursery.start_soon(pump, upstream, client.stream, idle)
