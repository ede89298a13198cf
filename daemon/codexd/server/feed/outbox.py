"""The output of one connection: written at once where the socket takes it, else when it does again.

A reader that does not keep up costs its own answers and a number for each thread that it follows; never a queue of
notifications (law 7). Its answers are bounded by what is read of its requests: none, while more than
`UNREAD_BYTES_MAX` waits. All connections together are bounded too: the connection unread for longest is ended.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress
from typing import Protocol

import trio

# While more than this of what a client was sent has not been read, its further requests wait. Some thousand usual
# answers: a client may send that many requests before it reads.
UNREAD_BYTES_MAX = 1024 * 1024
# What all connections together may leave unread: some answers of the largest size, and what a small machine can spare.
ALL_UNREAD_BYTES_MAX = 512 * 1024 * 1024
# How much a lagging follower is given at a time, so that several share a connection fairly.
CHUNK_BYTES_MAX = 64 * 1024
# How much the socket is offered at a time: more than it takes.
OFFER_BYTES_MAX = 1024 * 1024


class Lagging(Protocol):
    """A follower that lags, and catches up when the socket takes more."""

    async def catch_up(self, outbox: Outbox) -> bool:
        """Write up to a chunk; whether it is now level with its thread."""


class Unread(Exception):
    """The client does not read what it asked for."""


class AllUnread:
    """The bytes that all connections together have been sent and have not read."""

    def __init__(self, bytes_max: int = ALL_UNREAD_BYTES_MAX) -> None:
        self._bytes_max, self._bytes = bytes_max, 0
        self._outboxes: dict[Outbox, None] = {}  # the outbox whose socket took bytes last is last

    def changed(self, outbox: Outbox, by: int) -> None:
        """So many bytes more wait in it, or were taken from it."""
        self._bytes += by
        if by < 0:
            self._outboxes.pop(outbox, None)
        if outbox.unread_bytes:
            self._outboxes.setdefault(outbox)
        while self._bytes > self._bytes_max:
            longest = next(iter(self._outboxes))
            longest.end(f"all connections together left more than {self._bytes_max} bytes unread")


class Outbox:
    """The writing half of a connection. One task runs `flush`; any task may `write`."""

    def __init__(self, sock: socket.socket, broadcast: AllUnread) -> None:
        self._sock, self._broadcast = sock, broadcast
        self._pending: deque[bytes] = deque()
        self._taken = 0  # bytes of the first pending message
        self._lagging: dict[Lagging, None] = {}
        self._held: set[Lagging] = set()  # followers that lag until an answer is written
        self._wake = trio.Event()
        self._moved = trio.lowlevel.ParkingLot()
        self._ended: str | None = None  # why the connection is being ended
        self.unread_bytes = 0
        self.closed = False

    @property
    def idle(self) -> bool:
        """Whether the socket has taken all that was written."""
        return not self._pending

    def write(self, wire: bytes) -> None:
        """Send framed bytes, now as far as the socket takes them, the rest in order.

        After the connection is lost this does nothing: its reading half ends it.
        """
        if self.closed or self._ended is not None:
            return
        taken = 0
        if not self._pending:
            taken = self._send(wire)
            if taken == len(wire):
                return
            self._taken = taken
        self._pending.append(wire)
        self._count(len(wire) - taken)
        self._wake.set()

    def write_later(self, follower: Lagging) -> None:
        """Give the follower its due once the socket takes more."""
        if follower not in self._held:
            self._lagging[follower] = None
            self._wake.set()

    def hold(self, follower: Lagging) -> None:
        """Give the follower nothing until it is released."""
        self._held.add(follower)
        self._lagging.pop(follower, None)

    def release(self, follower: Lagging) -> None:
        """Give it its due again."""
        self._held.discard(follower)
        self.write_later(follower)

    def forget(self, follower: Lagging) -> None:
        self._held.discard(follower)
        self._lagging.pop(follower, None)

    def end(self, why: str) -> None:
        """Lose what waits, and have `flush` raise Unread."""
        self._ended = why
        self._lose()
        with suppress(OSError):  # Wakes the task that waits for the socket to take more.
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The connection is over."""
        self.closed = True
        self._lose()

    async def wait_room(self) -> None:
        """Wait until the client has read enough to be answered more, or is gone."""
        while self.unread_bytes > UNREAD_BYTES_MAX and not self.closed:
            await self._moved.park()

    async def wait_moved(self) -> None:
        """Wait until the socket takes data, or the connection is over; return at once where nothing waits."""
        if self._pending and not self.closed:
            await self._moved.park()

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
                    self.write_later(follower)  # After the others, for fairness.
                await self._drain()

    async def _drain(self) -> None:
        while not self.closed:
            if self._ended is not None:
                raise Unread(self._ended)
            if not self._pending:
                return
            await trio.lowlevel.wait_writable(self._sock)
            if self._pending:
                self._offer()

    def _offer(self) -> None:
        """Send some of what waits: much of one large message, or many small ones at once."""
        first = self._pending[0]
        if len(first) - self._taken < CHUNK_BYTES_MAX and len(self._pending) > 1:
            pieces, size = [self._pending.popleft()[self._taken :]], 0
            while self._pending and size < CHUNK_BYTES_MAX:
                pieces.append(self._pending.popleft())
                size += len(pieces[-1])
            first, self._taken = b"".join(pieces), 0
            self._pending.appendleft(first)
        sent = self._send(memoryview(first)[self._taken : self._taken + OFFER_BYTES_MAX])
        if self.closed or not sent:
            return
        self._taken += sent
        if self._taken == len(first):
            self._pending.popleft()
            self._taken = 0
        self._count(-sent)

    def _send(self, wire: bytes | memoryview) -> int:
        try:
            return self._sock.send(wire)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.close()
            return len(wire)

    def _lose(self) -> None:
        self._pending.clear()
        self._count(-self.unread_bytes)
        self._wake.set()

    def _count(self, by: int) -> None:
        self.unread_bytes += by
        self._broadcast.changed(self, by)
        if by <= 0:
            self._moved.unpark_all()
