"""Lines between a pair of pipes and the daemon's socket, both ways; what is no message passes as it is. I/O.

Only what goes onto a terminal is drawn as all JSON is there: what is not seen is escaped, the values are the same.

Each side is read only while there is room for what it says: a reader that is slow slows down the writer,
and memory does not grow.
"""

from __future__ import annotations

import codecs
import os
import select
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Mapping

from codexd.protocol.display.visible import visible_json
from codexd_frontends.bridge.overriding import with_settings
from codexd_frontends.bridge.relay import Relay
from codexd_frontends.client.client import open_socket

# What may wait for a slow reader, per direction.
WAITING_BYTES_MAX = 1 << 20
READ_BYTES = 1 << 16
# After the end of stdin, answers to what was asked before it are still passed on for this long.
LAST_ANSWERS_SECONDS_MAX = 2.0
# A longer line is passed on as it comes; no request and no notification is as long.
LINE_BYTES_MAX = 1 << 24
# A daemon that closes the connection so soon, and so often in a row, will do it again.
SHORT_SECONDS, SHORT_IN_A_ROW_MAX = 1.0, 5

Change = Callable[[bytes], bytes | None]


class _Flow:
    """One direction, of lines that may be changed on the way."""

    def __init__(self, source: int, sink: int, change: Change) -> None:
        self.source = source
        self.sink = sink
        self._change = change
        # A piece may end within a character.
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_drawn = os.isatty(sink)
        self._partial = b""  # the beginning of a message
        self._is_passing = False  # a line is passed on as it comes
        self.waiting = bytearray()
        self.ended = False  # nothing more comes from the source

    @property
    def wants_read(self) -> bool:
        return not self.ended and len(self.waiting) < WAITING_BYTES_MAX

    def read(self) -> None:
        """Take what the source has; its end, or a source that cannot be read, ends the flow."""
        try:
            taken = os.read(self.source, READ_BYTES)
        except OSError:
            taken = b""
        self.ended = not taken
        made = b"".join(self._changed(taken))
        if self.ended:
            made, self._partial = made + self._partial, b""
        self.waiting += self._drawn(made) if self._is_drawn else made

    def say(self, lines: Iterable[bytes]) -> None:
        """Lines of our own."""
        for line in lines:
            self.waiting += line + b"\n"

    def take_unsent(self) -> list[bytes]:
        """The lines that the sink did not get, or not whole; they wait no more."""
        lines = bytes(self.waiting).split(b"\n")[:-1]
        self.waiting.clear()
        return lines

    def restart(self, source: int) -> None:
        """Go on with another source; what had come of a line has gone with the old one."""
        self._partial, self._is_passing, self.ended = b"", False, False
        self.source = source

    def _changed(self, taken: bytes) -> Iterable[bytes]:
        *lines, rest = (self._partial + taken).split(b"\n")
        self._partial = b""
        for line in lines:
            if self._is_passing:
                self._is_passing = False
                yield line + b"\n"
            elif (made := self._change(line)) is not None:
                yield made + b"\n"
        if self._is_passing or not rest.startswith(b"{") or len(rest) > LINE_BYTES_MAX:
            self._is_passing = bool(rest) or self._is_passing
            yield rest
        else:
            self._partial = rest

    def _drawn(self, taken: bytes) -> bytes:
        return visible_json(self._characters.decode(taken, final=not taken).encode())

    def write(self) -> None:
        """Give the sink what it takes for sure: a pipe that polls as writable has room for PIPE_BUF."""
        written = os.write(self.sink, self.waiting[: select.PIPE_BUF])
        del self.waiting[:written]


def bridge(
    socket_path: str,
    stdin: int,
    stdout: int,
    settings: Mapping[str, object] | None = None,
    *,
    comes_back: Callable[[], bool] = lambda: False,
) -> None:
    """Copy until stdin ends, or the daemon closes the connection and does not come back.

    `settings` hold for the client's threads. `comes_back` waits for the next daemon, and says whether it answers.

    Raises: CommandError, BrokenPipeError.
    """
    relay = Relay()

    def ask(line: bytes) -> bytes | None:
        return relay.up(with_settings(line, settings) if settings else line)

    connection = open_socket(socket_path)
    up = _Flow(stdin, connection.fileno(), ask)
    down = _Flow(connection.fileno(), stdout, relay.down)
    short = 0
    try:
        while short < SHORT_IN_A_ROW_MAX:
            connection.settimeout(None)
            began = time.monotonic()
            _copy(up, down)
            short = short + 1 if time.monotonic() < began + SHORT_SECONDS else 0
            if up.ended and not up.waiting:
                break
            unsent = up.take_unsent()
            if not relay.can_begin_again or not comes_back():
                break
            connection.close()
            connection = open_socket(socket_path)
            up.sink = connection.fileno()
            down.restart(connection.fileno())
            down.say(relay.lost(unsent))
            up.say(relay.begin_again(unsent))
        _take_last_answers(connection, up, down)
    finally:
        connection.close()


def _copy(up: _Flow, down: _Flow) -> None:
    """Until either side ends."""
    while not down.ended and not (up.ended and not up.waiting):
        try:
            _step(up, down, seconds=None)
        except (BrokenPipeError, ConnectionResetError):
            if not _is_cut(up.sink):
                raise  # The client reads no more.
            down.ended = True


def _is_cut(descriptor: int) -> bool:
    """Whether nobody is at the other end of a connection."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))


def _take_last_answers(connection: socket.socket, up: _Flow, down: _Flow) -> None:
    """Answers to what was asked before the end of stdin."""
    if not down.ended:
        connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + LAST_ANSWERS_SECONDS_MAX
    up.waiting.clear()
    while (down.waiting or not down.ended) and time.monotonic() < deadline:
        _step(up, down, seconds=deadline - time.monotonic())


def _step(up: _Flow, down: _Flow, *, seconds: float | None) -> None:
    """Wait until something can be read or written, and do it."""
    wanted: dict[int, int] = {}
    for flow in (up, down):
        if flow.wants_read:
            wanted[flow.source] = wanted.get(flow.source, 0) | selectors.EVENT_READ
        if flow.waiting:
            wanted[flow.sink] = wanted.get(flow.sink, 0) | selectors.EVENT_WRITE
    with selectors.PollSelector() as selector:  # epoll would refuse a stdin that is a file
        for descriptor, events in wanted.items():
            selector.register(descriptor, events)
        ready = [(key.fd, events) for key, events in selector.select(seconds)]
    for descriptor, events in ready:
        for flow in (up, down):
            if descriptor == flow.source and events & selectors.EVENT_READ:
                flow.read()
            if descriptor == flow.sink and events & selectors.EVENT_WRITE:
                flow.write()
