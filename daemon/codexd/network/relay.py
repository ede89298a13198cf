"""Relays connections from a listening socket to a Unix socket. I/O.

A program of its own, beside the command whose connections they are: standard library only.

    relay.py FD SOCKET PARENT

FD is a Unix socket over which the listening socket comes. It ends with its parent, the process with the id PARENT.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import socket
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
# Of the terminal and of those who end a command: they are for the command.
_FOR_THE_COMMAND: Final = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGTSTP,
)
READ_BYTES: Final = 64 * 1024
CONNECTIONS_MAX: Final = 128  # as many as the proxy takes


class Relay:
    """One task for all connections: each is two sockets and what one has sent and the other not yet taken."""

    def __init__(self, listener: socket.socket, socket_path: str) -> None:
        # By its name alone, since the path may be longer than the system takes.
        folder, self._path = os.path.split(socket_path)
        os.chdir(folder)
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[socket.socket, Pipe] = {}

    def run(self) -> None:
        """Relay until the process is ended."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while True:
            for key, events in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._pipes:
                    self._advance(key.fileobj, events)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            near, _ = self._listener.accept()
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                far.connect(self._path)
            except OSError:
                near.close()  # No daemon: the program sees a closed connection.
                far.close()
                return
            for sock in (near, far):
                sock.setblocking(False)
            self._pipes[near], self._pipes[far] = Pipe(near, far), Pipe(far, near)
            self._watch(near, far)

    def _advance(self, sock: socket.socket, events: int) -> None:
        other = self._pipes[sock].target
        try:
            if events & selectors.EVENT_READ:
                self._pipes[sock].read()
            if events & selectors.EVENT_WRITE:
                self._pipes[other].write()
        except OSError:
            self._close(sock, other)
            return
        if self._pipes[sock].is_done and self._pipes[other].is_done:
            self._close(sock, other)
        else:
            self._watch(sock, other)

    def _watch(self, *pair: socket.socket) -> None:
        """Wait for what each of the two can do next, and stop accepting where there are too many."""
        for sock in pair:
            mine, to_me = self._pipes[sock], self._pipes[self._pipes[sock].target]
            events = (selectors.EVENT_READ if mine.wants_more else 0) | (
                selectors.EVENT_WRITE if to_me.waiting else 0
            )
            self._set(sock, events)
        self._set(
            self._listener, selectors.EVENT_READ if len(self._pipes) < 2 * CONNECTIONS_MAX else 0
        )

    def _set(self, sock: socket.socket, events: int) -> None:
        if sock in self._selector.get_map():
            if events:
                self._selector.modify(sock, events)
            else:
                self._selector.unregister(sock)
        elif events:
            self._selector.register(sock, events)

    def _close(self, *pair: socket.socket) -> None:
        for sock in pair:
            self._set(sock, 0)
            del self._pipes[sock]
            sock.close()
        self._set(self._listener, selectors.EVENT_READ)


class Pipe:
    """One direction of a connection; holds no more than one read."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.waiting = b""
        self._ended = False

    @property
    def wants_more(self) -> bool:
        return not self.waiting and not self._ended

    @property
    def is_done(self) -> bool:
        return self._ended and not self.waiting

    def read(self) -> None:
        """Raises: OSError."""
        with contextlib.suppress(BlockingIOError):
            self.waiting = self.source.recv(READ_BYTES)
            self._ended = not self.waiting
            self.write()

    def write(self) -> None:
        """Raises: OSError."""
        if self.waiting:
            with contextlib.suppress(BlockingIOError):
                self.waiting = self.waiting[self.target.send(self.waiting) :]
        if self.is_done:
            self.target.shutdown(socket.SHUT_WR)


def main(handed: int, socket_path: str, parent: int) -> None:
    """Relay until the parent is gone; hold nothing of what it does."""
    for number in _FOR_THE_COMMAND:
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if os.getppid() != parent:
        return
    with socket.socket(fileno=handed) as outside:
        _, listeners, _, _ = socket.recv_fds(outside, 1, 1)
    if listeners:  # None: the sandbox did not begin.
        Relay(socket.socket(fileno=listeners[0]), socket_path).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
