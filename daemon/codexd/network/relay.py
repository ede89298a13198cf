"""Relays connections from a listening socket to a Unix socket, in the process beside a sandbox. I/O.

Standard library only, and of that what is written in C, since it begins with each such command.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # of which signal makes an enumeration
import _socket
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# Of the terminal and of those who end a command: they are for the command.
_FOR_THE_COMMAND: Final = (
    _signal.SIGINT,
    _signal.SIGQUIT,
    _signal.SIGHUP,
    _signal.SIGTERM,
    _signal.SIGTSTP,
)
READ_BYTES: Final = 64 * 1024
CONNECTIONS_MAX: Final = 128  # as many as the proxy takes
DESCRIPTOR_BYTES: Final = 4  # of a C int


class Relay:
    """One task for all connections: each is two sockets and what one has sent and the other not yet taken."""

    def __init__(self, listener: _socket.socket, socket_path: str, parent: int) -> None:
        """`parent` is a descriptor of the process with which it ends."""
        # By the end of its path, since the whole may be longer than the system takes. A daemon that stops removes the
        # socket's own folder, and the next makes it again.
        folder, name = os.path.split(socket_path)
        above, own = os.path.split(folder)
        self._name = os.path.join(own, name)
        os.chdir(above)
        self._listener, self._parent = listener, parent
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}  # events by descriptor
        self._pipes: dict[int, Pipe] = {}  # by the descriptor of its source

    def run(self) -> None:
        """Relay until the parent is gone."""
        self._listener.setblocking(False)
        self._watch(self._listener.fileno(), select.EPOLLIN)
        self._watch(self._parent, select.EPOLLIN)
        while True:
            for descriptor, found in self._epoll.poll():
                if descriptor == self._parent:
                    return
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor in self._pipes:
                    self._advance(descriptor, found)

    def _accept(self) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]  # the half that is written in C
        except OSError:
            return
        near = _socket.socket(fileno=descriptor)
        far = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            far.connect(self._name)
        except OSError:
            near.close()  # No daemon: the program sees a closed connection.
            far.close()
            return
        near.setblocking(False)
        far.setblocking(False)
        self._pipes[near.fileno()], self._pipes[far.fileno()] = Pipe(near, far), Pipe(far, near)
        self._watch_both(near.fileno(), far.fileno())

    def _advance(self, descriptor: int, found: int) -> None:
        mine = self._pipes[descriptor]
        other = mine.target.fileno()
        to_me, wanted = self._pipes[other], self._watched.get(descriptor, 0)
        try:
            # An error or the other side's end comes with any event, and is found by the next call.
            if wanted & select.EPOLLIN and found & ~select.EPOLLOUT:
                mine.read()
            if wanted & select.EPOLLOUT and found & ~select.EPOLLIN:
                to_me.write()
        except OSError:
            self._close(descriptor, other)
            return
        if mine.is_done and to_me.is_done:
            self._close(descriptor, other)
        else:
            self._watch_both(descriptor, other)

    def _watch_both(self, *pair: int) -> None:
        """Wait for what each of the two can do next, and stop accepting where there are too many."""
        for descriptor in pair:
            mine = self._pipes[descriptor]
            to_me = self._pipes[mine.target.fileno()]
            reads = select.EPOLLIN if mine.wants_more else 0
            self._watch(descriptor, reads | (select.EPOLLOUT if to_me.waiting else 0))
        has_room = len(self._pipes) < 2 * CONNECTIONS_MAX
        self._watch(self._listener.fileno(), select.EPOLLIN if has_room else 0)

    def _watch(self, descriptor: int, events: int) -> None:
        before = self._watched.pop(descriptor, 0)
        if events:
            self._watched[descriptor] = events
        if events and not before:
            self._epoll.register(descriptor, events)
        elif events != before:
            if events:
                self._epoll.modify(descriptor, events)
            else:
                self._epoll.unregister(descriptor)

    def _close(self, *pair: int) -> None:
        for descriptor in pair:
            self._watch(descriptor, 0)
            self._pipes.pop(descriptor).source.close()
        self._watch(self._listener.fileno(), select.EPOLLIN)


class Pipe:
    """One direction of a connection; holds no more than one read."""

    def __init__(self, source: _socket.socket, target: _socket.socket) -> None:
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
        try:
            self.waiting = self.source.recv(READ_BYTES)
        except BlockingIOError:
            return
        self._ended = not self.waiting
        self.write()

    def write(self) -> None:
        """Raises: OSError."""
        if self.waiting:
            try:
                self.waiting = self.waiting[self.target.send(self.waiting) :]
            except BlockingIOError:
                return
        if self.is_done:
            self.target.shutdown(_socket.SHUT_WR)


def relay(outside: _socket.socket, socket_path: str, parent: int) -> None:
    """Relay until the parent is gone; hold nothing of what it does.

    Args:
        outside: a Unix socket over which the listening socket comes.
        parent: the id of this process's parent.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for number in _FOR_THE_COMMAND:
        _signal.signal(number, _signal.SIG_IGN)
    try:
        watched = os.pidfd_open(parent)
    except ProcessLookupError:
        return
    if os.getppid() != parent:  # It is gone, and the id is another process's.
        return
    _, ancillary, _, _ = outside.recvmsg(1, _socket.CMSG_SPACE(DESCRIPTOR_BYTES))
    outside.close()
    if ancillary:  # Nothing: the sandbox did not begin.
        listener = int.from_bytes(ancillary[0][2], sys.byteorder)
        Relay(_socket.socket(fileno=listener), socket_path, watched).run()
