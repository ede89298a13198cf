"""The way from a sandbox to its proxy: a listener on the sandbox's own loopback, relayed to the proxy's socket. I/O.

A program of its own within a sandbox that has no network: standard library only. It listens, leaves a child that
relays, and becomes the command, so that the command's process, terminal, signals and exit code are its own.

    python forwarder.py SOCKET PORT PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

# Codex's proxy listens there. In a network of its own no other program is in the way.
PORT: Final = 3128
LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 64
READ_BYTES: Final = 64 * 1024
CONNECTIONS_MAX: Final = 128  # as many as the proxy takes
FAILED_EXIT_CODE: Final = 126  # as a shell's, for a program that could not be run

_PR_SET_PDEATHSIG: Final = 1
# Programs that run in the sandbox reach each other without the proxy.
_DIRECT: Final = ("localhost", LOOPBACK, "::1")


def with_proxy(
    argv: Sequence[str], socket_path: str, port: int = PORT, python: str = sys.executable
) -> tuple[str, ...]:
    """The argv that runs `argv` with a relay to the proxy's socket, within a sandbox."""
    # -I and -S: nothing of the person's, and none of our libraries.
    return (python, "-I", "-S", os.path.abspath(__file__), socket_path, str(port), *argv)


def proxy_variables(
    port: int = PORT, listed: frozenset[str] | set[str] = frozenset()
) -> Mapping[str, str]:
    """The variables by which programs find the proxy.

    Args:
        listed: hosts of the list of domains. A loopback address among them is one of the machine's own services,
            and is reached through the proxy.
    """
    http, socks = f"http://{LOOPBACK}:{port}", f"socks5h://{LOOPBACK}:{port}"
    direct = ",".join(host for host in _DIRECT if host not in listed)
    variables = {
        "HTTP_PROXY": http,
        "HTTPS_PROXY": http,
        "WS_PROXY": http,
        "WSS_PROXY": http,
        "ALL_PROXY": socks,
        "NO_PROXY": direct,
    }
    lower = {name.lower(): value for name, value in variables.items()}
    # Node.js reads the variables only when this one says so.
    return {**variables, **lower, "NODE_USE_ENV_PROXY": "1"}


class Relay:
    """One task for all connections: each is two sockets and what one has sent and the other not yet taken."""

    def __init__(self, listener: socket.socket, socket_path: str) -> None:
        self._listener, self._path = listener, socket_path
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


def main(arguments: Sequence[str]) -> int:
    """Relay in a child, and become the command."""
    socket_path, port, *argv = arguments
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    command = os.getpid()
    try:
        listener.bind((LOOPBACK, int(port)))
        listener.listen(BACKLOG)
        if os.fork() == 0:
            _relay(listener, socket_path, command)
        os.execvp(argv[0], argv)  # noqa: S606  # it is the command's argv
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: not run: {error}\n")
        return FAILED_EXIT_CODE


def _relay(listener: socket.socket, socket_path: str, command: int) -> None:
    """Be the child: hold nothing of the command's, and end with it."""
    try:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)  # Those of the terminal are for the command.
        with contextlib.suppress(AttributeError, OSError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        if os.getppid() == command:
            Relay(listener, socket_path).run()
    finally:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
