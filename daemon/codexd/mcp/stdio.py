"""The SDK's transport over two pipes of a process that the keeper started: a line of JSON for each message.

Law: a server may write anything and read nothing. A line is bounded, and so is what waits to be written and how many
messages are taken in a second; what is no message is reported once and skipped.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import trio

from codexd.core.values.foreign_json import TooMuchJson, check_foreign
from codexd.protocol.display.visible import visible_line

if TYPE_CHECKING:
    from mcp.shared.message import SessionMessage

log = logging.getLogger(__name__)

# A result with some screenshots has some megabytes.
LINE_BYTES_MAX: Final = 32 * 1024 * 1024
# A longer line is read in a thread: it would hold the event loop for some milliseconds.
STEP_BYTES_MAX: Final = 256 * 1024
READ_BYTES: Final = 64 * 1024
# Calls that the server does not read. Beyond this it is as good as dead.
UNREAD_BYTES_MAX: Final = 8 * 1024 * 1024
# No server has so much to say; a flood takes the daemon no more than this.
MESSAGES_PER_SECOND_MAX: Final = 2000
# Of a line that is no message, in the daemon's log.
GARBAGE_SHOWN_MAX: Final = 120


class Pipes:
    """The transport: what the SDK reads from and writes to. It owns both descriptors."""

    def __init__(self, name: str, input_fd: int, output_fd: int) -> None:
        """`input_fd` is the server's stdin, `output_fd` its stdout; both are not blocking."""
        self.ended = trio.Event()  # the server's stdout is at its end, or cannot be used
        self.problem: str | None = None  # why, if it was not the server's own end
        # The daemon has closed it: what the server writes to stderr from now on is about that.
        self.given_up = False
        self._lines = _Lines(name, output_fd, self)
        self._writer = _Writer(input_fd, self)

    async def __aenter__(self) -> tuple[_Lines, _Writer]:
        return self._lines, self._writer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both descriptors. The server sees the end of its input."""
        self._lines.close()
        self._writer.close()

    def end(self, problem: str | None = None, *, giving_up: bool = False) -> None:
        """Use it no more; `giving_up`: though the server is still there. The first reason stays."""
        if not self.ended.is_set():
            self.problem, self.given_up = problem, giving_up
        self.ended.set()
        self.close()


class _Stream:
    """A descriptor, closed once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            trio.lowlevel.notify_closing(fd)
            os.close(fd)

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Lines(_Stream):
    """The server's messages, read when the SDK asks for the next."""

    def __init__(self, name: str, fd: int, pipes: Pipes) -> None:
        super().__init__(fd)
        self._name, self._pipes = name, pipes
        self._buffer = bytearray()
        self._searched = 0  # this much of the buffer has no end of a line
        self._second, self._taken = 0.0, 0
        self._reported = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        from mcp.shared.message import SessionMessage
        from mcp.types import jsonrpc_message_adapter

        while (line := await self._line()) is not None:
            await self._keep_pace()
            if not line.strip():
                continue
            try:
                check_foreign(line)
                read = partial(jsonrpc_message_adapter.validate_json, line, by_name=False)
                is_long = len(line) > STEP_BYTES_MAX
                message = await trio.to_thread.run_sync(read) if is_long else read()
            except (ValueError, RecursionError, TooMuchJson) as error:
                self._report(line, error)
                continue
            return SessionMessage(message)
        self._pipes.end()
        raise StopAsyncIteration

    async def receive(self) -> SessionMessage | Exception:
        return await self.__anext__()

    async def _line(self) -> bytes | None:
        """The next line; None at the end. What follows the last end of a line is lost."""
        while True:
            at = self._buffer.find(b"\n", self._searched)
            if at >= 0:
                line = bytes(self._buffer[:at])
                del self._buffer[: at + 1]
                self._searched = 0
                return line
            self._searched = len(self._buffer)
            if self._searched > LINE_BYTES_MAX:
                problem = f"it wrote a line of more than {LINE_BYTES_MAX} bytes"
                self._pipes.end(problem, giving_up=True)
                return None
            chunk = await self._read()
            if not chunk:
                return None
            self._buffer += chunk

    async def _read(self) -> bytes:
        while not self.closed:
            try:
                return os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                try:
                    await trio.lowlevel.wait_readable(self._fd)
                except trio.ClosedResourceError:
                    return b""
            except OSError:
                return b""
        return b""

    async def _keep_pace(self) -> None:
        """One message more: wait if there were too many. Others run in between."""
        now = trio.current_time()
        if now - self._second >= 1:
            self._second, self._taken = now, 0
        self._taken += 1
        if self._taken > MESSAGES_PER_SECOND_MAX:
            await trio.sleep_until(self._second + 1)
        else:
            await trio.lowlevel.checkpoint()

    def _report(self, line: bytes, error: Exception) -> None:
        if self._reported:
            return
        self._reported = True
        text = visible_line(line[:GARBAGE_SHOWN_MAX].decode(errors="replace"), GARBAGE_SHOWN_MAX)
        log.warning(
            "MCP server %s: expected messages of JSON-RPC on its stdout, found %s; such lines are skipped",
            self._name,
            text,
        )


class _Writer(_Stream):
    """The SDK's messages to the server. What one task could not finish, the next goes on with."""

    def __init__(self, fd: int, pipes: Pipes) -> None:
        super().__init__(fd)
        self._pipes = pipes
        self._pending = bytearray()
        self._lock = trio.Lock()

    async def send(self, item: SessionMessage, /) -> None:
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        self._pending += line.encode(errors="replace") + b"\n"
        if len(self._pending) > UNREAD_BYTES_MAX:
            problem = f"it left more than {UNREAD_BYTES_MAX} bytes unread"
            self._pipes.end(problem, giving_up=True)
        async with self._lock:
            await self._flush()

    async def _flush(self) -> None:
        while self._pending and not self.closed:
            try:
                sent = os.write(self._fd, self._pending[:READ_BYTES])
            except BlockingIOError:
                try:
                    await trio.lowlevel.wait_writable(self._fd)
                except trio.ClosedResourceError:
                    return
            except OSError:
                self._pipes.end("it closed its stdin")
                return
            else:
                del self._pending[:sent]
