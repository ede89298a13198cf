"""What goes out on one connection: written at once where the socket takes it, else when it does again.

A reader that does not keep up costs its own answers, which are few, and a number for each thread that it
follows; never a queue of notifications (law 7).
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Protocol

import trio

# Answers that a client has asked for and does not read. Beyond this it is not reading at all; the figure
# holds one answer of the largest size and a few of usual ones.
UNREAD_BYTES_MAX = 64 * 1024 * 1024
# How much a lagging follower is given at a time, so that several share a connection fairly.
CHUNK_BYTES_MAX = 64 * 1024


class Lagging(Protocol):
    """A follower that is behind, and is given its due when the socket takes more."""

    async def catch_up(self, outbox: Outbox) -> bool:
        """Write up to a chunk; whether it is now level with its thread."""


class Unread(Exception):
    """The client does not read what it asked for."""


class Outbox:
    """The writing half of a connection. One task runs `flush`; anybody may `write`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._lagging: dict[Lagging, None] = {}
        self._wake = trio.Event()
        self.closed = False
        self._unread = False  # more was asked for than is kept: the connection is being ended

    @property
    def idle(self) -> bool:
        """Whether the socket has taken all that was written."""
        return not self._pending

    def write(self, wire: bytes) -> None:
        """Send framed bytes, now as far as the socket takes them, the rest in order.

        After the connection is lost this does nothing: its reading half ends it.
        """
        if self.closed or self._unread:
            return
        if not self._pending:
            sent = self._send(wire)
            if sent == len(wire):
                return
            wire = wire[sent:]
        self._pending.append(wire)
        self._pending_bytes += len(wire)
        self._wake.set()
        if self._pending_bytes > UNREAD_BYTES_MAX:
            self._unread = True
            with suppress(OSError):  # Wakes whoever waits for the socket to take more.
                self._sock.shutdown(socket.SHUT_RDWR)

    def write_later(self, follower: Lagging) -> None:
        """Give the follower its due once the socket takes more."""
        self._lagging[follower] = None
        self._wake.set()

    def forget(self, follower: Lagging) -> None:
        """The follower is gone."""
        self._lagging.pop(follower, None)

    async def flush(self) -> None:
        """Write what waits, for as long as the connection lasts. Raises: Unread."""
        while not self.closed:
            await self._wake.wait()
            self._wake = trio.Event()
            await self._drain()
            while self._lagging and not self.closed:
                follower = next(iter(self._lagging))
                del self._lagging[follower]
                if not await follower.catch_up(self):
                    self._lagging[follower] = None  # Behind the others, for fairness.
                await self._drain()

    async def _drain(self) -> None:
        while self._pending and not self.closed:
            await trio.lowlevel.wait_writable(self._sock)
            if self._unread:
                raise Unread(f"more than {UNREAD_BYTES_MAX} bytes of answers were not read")
            wire = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
            sent = self._send(wire)
            self._pending = [wire[sent:]] if sent < len(wire) else []
            self._pending_bytes = len(wire) - sent

    def _send(self, wire: bytes) -> int:
        try:
            return self._sock.send(wire)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.closed = True
            self._pending.clear()
            return len(wire)
