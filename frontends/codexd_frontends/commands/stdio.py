"""Bytes between a pair of pipes and the daemon's socket, both ways and untouched, but for settings of threads. I/O.

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
from collections.abc import Mapping

from codexd.protocol.display.visible import visible_json
from codexd_frontends.client.client import open_socket
from codexd_frontends.client.overriding import Overriding

# What may wait for a slow reader, per direction.
WAITING_BYTES_MAX = 1 << 20
READ_BYTES = 1 << 16
# After the end of stdin, answers to what was asked before it are still passed on for this long.
LAST_ANSWERS_SECONDS_MAX = 2.0


class _Flow:
    """One direction."""

    def __init__(self, source: int, sink: int, change: Overriding | None = None) -> None:
        self.source = source
        self.sink = sink
        self._change = change
        # A piece may end within a character.
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_drawn = os.isatty(sink)
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
        if self._change is not None:
            taken = self._change(taken, final=self.ended)
        self.waiting += self._drawn(taken) if self._is_drawn else taken

    def _drawn(self, taken: bytes) -> bytes:
        return visible_json(self._characters.decode(taken, final=not taken).encode())

    def write(self) -> None:
        """Give the sink what it takes for sure: a pipe that polls as writable has room for PIPE_BUF."""
        written = os.write(self.sink, self.waiting[: select.PIPE_BUF])
        del self.waiting[:written]


def bridge(
    socket_path: str, stdin: int, stdout: int, settings: Mapping[str, object] | None = None
) -> None:
    """Copy until stdin ends, or the daemon closes the connection; `settings` hold for the client's threads.

    Raises: Trouble, BrokenPipeError.
    """
    with open_socket(socket_path) as connection:
        connection.settimeout(None)
        up = _Flow(stdin, connection.fileno(), Overriding(settings) if settings else None)
        down = _Flow(connection.fileno(), stdout)
        while not down.ended and not (up.ended and not up.waiting):
            _step(up, down, seconds=None)
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
