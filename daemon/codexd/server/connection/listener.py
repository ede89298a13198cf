"""The Unix socket: bound in a private folder, mode 0600, or passed by a service manager; open only to its own user."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trio

from codexd.machine.paths import SocketAddress, make_folders
from codexd.server.connection.peers import may_connect, peer_of
from codexd.service.passed_sockets import PassedSocket

log = logging.getLogger(__name__)

# Connections that the kernel holds while the daemon is busy: more than one user has terminals.
BACKLOG = 128
# How long to wait when the process has no file descriptors left, for one to be closed.
NO_DESCRIPTOR_PAUSE_SECONDS = 0.1
# Between looks whether the socket is still in its place: codexctl waits for some of them.
LOOK_SECONDS = 0.5


class AlreadyServed(Exception):
    """A daemon answers on that socket."""


class NotASocket(Exception):
    """The socket's path holds a file that is no socket."""


class Listener:
    """A bound, listening socket, which can be bound again if another program took it away.

    The bound socket holds its inode, so that no file that comes later has the same number.
    """

    def __init__(self, address: SocketAddress, passed: PassedSocket | None = None) -> None:
        """`passed`: the socket, if a service manager has bound it. Raises: as `listening`."""
        self._address = address
        self.is_retired = False  # whether new connections are left to the next process
        self._is_removed = passed is None or passed.is_own  # at the end: it is nobody else's
        if passed is None:
            self.sock, self._inode = _bound(address)
        else:
            self.sock = passed.sock
            # A manager may have bound it long ago, and the runtime folder may have been emptied since.
            self._inode = _inode_at(address.bind) if is_served(address.bind) else None

    @property
    def path(self) -> Path:
        """Where clients connect to."""
        return self._address.link or self._address.bind

    @property
    def stays(self) -> bool:
        """Whether the socket is left in its place at the end: a service manager's, or the next process has it."""
        return not self._is_removed

    def is_in_place(self) -> bool:
        """Whether the path, and its link, still lead to this socket."""
        address = self._address
        try:
            linked = address.link is None or leads_to(address.link, address.bind)
            found = _inode_at(address.bind)
            return linked and found is not None and found == self._inode
        except OSError:
            return False

    def bind_again(self) -> None:
        """Listen at the path again, whose folders may be gone; connections go on. Raises: as `listening`."""
        make_folders((self._address.link or self._address.bind).parent)
        make_folders(self._address.bind.parent)
        lost = self.sock
        if _inode_at(self._address.bind) == self._inode and self._address.link is not None:
            _link(self._address.link, self._address.bind)
            return
        self.sock, self._inode = _bound(self._address)
        self._is_removed = True
        trio.lowlevel.notify_closing(lost)  # `accept_all` continues with the new socket.
        lost.close()

    def retire(self) -> None:
        """Accept no more: connections wait for the next process, if it gets this socket."""
        self.is_retired = True
        trio.lowlevel.notify_closing(self.sock)

    def hand_over(self) -> PassedSocket:
        """The socket for the next process, which listens there without a gap; it stays in its place."""
        handed = PassedSocket(self.sock.dup(), self._address.bind, self._is_removed)
        self._is_removed, self._inode = False, None
        return handed

    def close(self) -> None:
        """Close it, and remove it and its link, unless others have it."""
        if not self._is_removed:
            self.sock.close()
            return
        with suppress(OSError):
            if _inode_at(self._address.bind) == self._inode:
                self._address.bind.unlink()
        link = self._address.link
        with suppress(OSError):
            if link is not None and leads_to(link, self._address.bind):
                link.unlink()
        self.sock.close()


@contextmanager
def listening(address: SocketAddress, passed: PassedSocket | None = None) -> Iterator[Listener]:
    """A bound, listening socket; it and its link are removed at the end, unless it was passed.

    A socket that a dead daemon left is replaced; the caller holds the lock of the store.

    Raises:
        AlreadyServed: a live daemon answers there.
        NotASocket: what is there is no socket.
        OSError: the system does not let us.
    """
    listener = Listener(address, passed)
    try:
        yield listener
    finally:
        listener.close()


async def keep_bound(listener: Listener, lock: Path) -> None:
    """Bind the socket again whenever another program has removed or replaced it, until cancelled.

    If the store's lock is gone, so is the home, or another daemon may own it: then this daemon stops.
    """
    ours, last_said = _inode_at(lock), ""
    while not _is_replaced(lock, ours):
        if listener.is_in_place():
            last_said = ""
            await trio.sleep(LOOK_SECONDS)
            continue
        try:
            listener.bind_again()
        except (AlreadyServed, NotASocket, OSError) as problem:
            if str(problem) != last_said:
                log.error("the socket is gone, and cannot be bound again: %s", problem)
            last_said = str(problem)
            await trio.sleep(LOOK_SECONDS)
        else:
            log.warning("the socket was gone: it is bound again")
    log.error("%s was removed or replaced: this daemon stops, because its home is gone", lock)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_replaced(path: Path, inode: tuple[int, int] | None) -> bool:
    try:
        return _inode_at(path) != inode
    except OSError:
        return False  # It cannot be looked at now.


def _bound(address: SocketAddress) -> tuple[socket.socket, tuple[int, int] | None]:
    _remove_dead(address.bind)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            sock.bind(str(address.bind))
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        if address.link is not None:
            _link(address.link, address.bind)
    except BaseException:
        sock.close()
        raise
    return sock, _inode_at(address.bind)


def _inode_at(path: Path) -> tuple[int, int] | None:
    """What is at a path; None if nothing is."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _remove_dead(path: Path) -> None:
    if path.exists() and not path.is_socket():
        raise NotASocket(f"expected nothing or a socket at {path}, found a file: not replaced")
    if is_served(path):
        raise AlreadyServed(f"another daemon answers on {path}: this one was not started")
    path.unlink(missing_ok=True)  # It may be a link that leads nowhere.


def is_served(path: Path) -> bool:
    """Whether a process listens at a path. Raises: OSError, if that cannot be known."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # The listener may have stopped accepting.
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            pass
    return True


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() and link.exists():
        raise NotASocket(f"expected nothing or a symlink at {link}, found a file: not replaced")
    put_link(link, target)


def put_link(link: Path, target: Path) -> None:
    """Make a symlink, in place of what is there. Raises: OSError.

    In one step: a client that looks meanwhile finds the old or the new one.
    """
    # A short name: that of the link may be as long as names may be.
    made = link.with_name(f".link.{os.getpid()}")
    made.unlink(missing_ok=True)
    made.symlink_to(target)
    made.replace(link)


def leads_to(link: Path, target: Path) -> bool:
    """Whether a path is a symlink to this target."""
    try:
        return link.readlink() == target
    except OSError:
        return False


async def accept_all(listener: Listener, serve: Callable[[socket.socket], Awaitable[None]]) -> None:
    """Serve each connection of our own user in a task of its own, until cancelled."""
    async with trio.open_nursery() as nursery:
        async for peer in _accepted(listener):
            known = peer_of(peer)
            if not may_connect(known):
                log.warning(
                    "a connection of uid %d was refused: only uid %d may connect",
                    known.uid,
                    os.getuid(),
                )
                peer.close()
                continue
            nursery.start_soon(_serve_one, peer, serve)


async def _accepted(listener: Listener) -> AsyncIterator[socket.socket]:
    while not listener.is_retired:
        sock = listener.sock
        try:
            peer, _ = sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            with suppress(trio.ClosedResourceError):  # It was bound again.
                await trio.lowlevel.wait_readable(sock)
            continue
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            log.error("a connection waits: no file descriptor is left")
            await trio.sleep(NO_DESCRIPTOR_PAUSE_SECONDS)
            continue
        peer.setblocking(False)
        yield peer


async def _serve_one(
    peer: socket.socket, serve: Callable[[socket.socket], Awaitable[None]]
) -> None:
    try:
        await serve(peer)
    except Exception:
        # A connection is one of the places where any exception becomes a record.
        log.exception("a connection failed")
    finally:
        trio.lowlevel.notify_closing(peer)
        peer.close()
