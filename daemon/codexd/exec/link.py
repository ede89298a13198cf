"""A connection to the keeper: requests and their answers, and the notes about processes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from codexd.exec.ports import KeeperLost, NotStarted
from codexd.keeper import wire

NOTE: Final = b"0"
TRY_SECONDS: Final = 0.01  # between tries to reach a keeper that is just starting or ending
# In place of the `ok` of an answer: this process had no descriptor left for those that came beside it.
SHORT: Final = b"short"
Note = Callable[[list[bytes]], None]
Answer = tuple[list[bytes], list[int]]  # its fields, and the descriptors beside it


class _Request:
    def __init__(self) -> None:
        self.done = trio.Event()
        self.answer: Answer | None = None  # None: the keeper died


class Link:
    """One connection. `serve` runs it to its end."""

    def __init__(self, sock: socket.socket, note: Note) -> None:
        """`sock` is connected and does not block; `note` is called with the fields of each note."""
        self._sock, self._note = sock, note
        self._messages = wire.Messages()
        self._fds: list[int] = []  # that came, in their order
        self._requests: dict[bytes, _Request] = {}
        self._asked = 0
        self._unsent = bytearray()
        self._has_unsent = trio.Event()
        self.over = trio.Event()
        self.greeted = trio.Event()  # or over
        self.version, self.keeper_pid = b"", 0

    @property
    def is_over(self) -> bool:
        """Whether nothing comes or goes any more."""
        return self.over.is_set()

    def tell(self, verb: bytes, *fields: bytes) -> None:
        """Send what has no answer. It is lost where the keeper is."""
        self._send(wire.pack(NOTE, verb, *fields))

    async def ask(self, verb: bytes, *fields: bytes) -> Answer:
        """Send a request and wait for its answer. The caller owns the descriptors. Raises: KeeperLost."""
        self._asked += 1
        number, request = b"%d" % self._asked, _Request()
        if self.is_over:
            raise KeeperLost("the keeper died")
        self._requests[number] = request
        self._send(wire.pack(number, verb, *fields))
        try:
            await request.done.wait()
        except trio.Cancelled:
            self._requests.pop(number, None)
            if request.answer is not None:  # It came in the same moment.
                _close(request.answer[1])
            raise
        if request.answer is None:
            raise KeeperLost("the keeper died")
        return request.answer

    async def serve(self) -> None:
        """Read and write until the keeper closes the connection, or this side has."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                with contextlib.suppress(trio.ClosedResourceError):
                    await self._read()
                nursery.cancel_scope.cancel()
        finally:
            self.close()

    def close(self) -> None:
        """The connection is over: whoever waits for an answer gets none."""
        if self.is_over:
            return
        self.over.set()
        self.greeted.set()
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
        _close(self._fds)
        for request in self._requests.values():
            request.done.set()

    def _send(self, message: bytes) -> None:
        if self.is_over:
            return
        sent = 0
        if not self._unsent:
            try:
                sent = self._sock.send(message)
            except BlockingIOError:
                pass
            except OSError:
                return  # The reader finds the end, too.
        if sent < len(message):
            self._unsent += message[sent:]
            self._has_unsent.set()

    async def _write(self) -> None:
        while not self.is_over:
            await self._has_unsent.wait()
            if self.is_over:
                return
            try:
                await trio.lowlevel.wait_writable(self._sock)
                del self._unsent[: self._sock.send(self._unsent)]
            except BlockingIOError:
                continue
            except (OSError, trio.ClosedResourceError):
                self._unsent.clear()
            if not self._unsent:
                self._has_unsent = trio.Event()

    async def _read(self) -> None:
        space = socket.CMSG_SPACE(wire.FDS_MAX * 4)
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        while not self.is_over:  # Who made it may have been cancelled before it is served.
            await trio.lowlevel.wait_readable(self._sock)
            try:
                data, beside, _, _ = self._sock.recvmsg(wire.READ_BYTES_MAX, space, flags)
            except BlockingIOError:
                continue
            except OSError:
                return
            for fd in wire.fds_in(beside):
                if not flags:
                    os.set_inheritable(fd, False)
                self._fds.append(fd)
            if not data:
                return
            try:
                messages = self._messages.feed(data)
            except wire.Malformed:
                return
            for message in messages:
                self._take(message)

    def _take(self, message: list[bytes]) -> None:
        number, count, *fields = message
        fds, self._fds = self._fds[: int(count)], self._fds[int(count) :]
        if number == NOTE and fields[0] == b"hello":
            self.version, self.keeper_pid = fields[2], int(fields[3])
            self.greeted.set()
        elif number == NOTE:
            self._note(fields)
        elif (request := self._requests.pop(number, None)) is not None:
            if len(fds) < int(count):
                _close(fds)
                fields[0] = SHORT
            request.answer = (fields, fds)
            request.done.set()
        else:
            _close(fds)  # Whoever asked was cancelled.


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
    fds.clear()


async def connected(path: Path, seconds: float) -> socket.socket | None:
    """A connection to a keeper; None if nobody listens there. Raises: NotStarted: no descriptor was left for so long."""
    deadline = trio.current_time() + seconds
    while True:
        try:
            return _connected(path)
        except OSError as error:
            if trio.current_time() >= deadline:
                raise NotStarted(f"the keeper cannot be reached: {error}") from error
        await trio.sleep(TRY_SECONDS)


def _connected(path: Path) -> socket.socket | None:
    """None if nobody listens there. Raises: OSError: there is no descriptor."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(os.fspath(path))
    except OSError:
        sock.close()
        return None
    return sock
