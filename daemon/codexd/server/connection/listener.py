"""The Unix socket: bound in a private folder, mode 0600, open only to its own user."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trio

from codexd.machine.paths import SocketAddress
from codexd.server.connection.peers import may_connect, peer_of

log = logging.getLogger(__name__)

# Connections that the kernel holds while the daemon is busy: more than one user has terminals.
BACKLOG = 128
# How long to wait when the process has no file descriptors left, for one to be closed.
NO_DESCRIPTOR_PAUSE_SECONDS = 0.1


class AlreadyServed(Exception):
    """A daemon answers on that socket."""


class NotASocket(Exception):
    """The socket's path holds a file that is no socket."""


@contextmanager
def listening(address: SocketAddress) -> Iterator[socket.socket]:
    """A bound, listening socket; it and its link are removed at the end.

    A socket that a dead daemon left is replaced; the caller holds the lock of the store.

    Raises:
        AlreadyServed: a live daemon answers there.
        NotASocket: what is there is no socket.
    """
    _remove_dead(address.bind)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        before = os.umask(0o177)
        try:
            sock.bind(str(address.bind))
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        inode = address.bind.stat().st_ino
        if address.link is not None:
            _link(address.link, address.bind)
        try:
            yield sock
        finally:
            _remove_ours(address, inode)


def _remove_dead(path: Path) -> None:
    if path.exists() and not path.is_socket():
        raise NotASocket(f"expected nothing or a socket at {path}, found a file: not replaced")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise AlreadyServed(f"another daemon answers on {path}: this one was not started")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise NotASocket(f"expected nothing or a symlink at {link}, found a file: not replaced")
    link.symlink_to(target)


def _remove_ours(address: SocketAddress, inode: int) -> None:
    with suppress(OSError):
        if address.bind.stat().st_ino == inode:
            address.bind.unlink()
    if address.link is not None:
        with suppress(OSError):
            if address.link.is_symlink() and address.link.readlink() == address.bind:
                address.link.unlink()


async def accept_all(
    sock: socket.socket, serve: Callable[[socket.socket], Awaitable[None]]
) -> None:
    """Serve each connection of our own user in a task of its own, until cancelled."""
    async with trio.open_nursery() as nursery:
        async for peer in _accepted(sock):
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


async def _accepted(sock: socket.socket) -> AsyncIterator[socket.socket]:
    while True:
        try:
            peer, _ = sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
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
        # One connection is one of the places where whatever goes wrong is turned into a record.
        log.exception("a connection failed")
    finally:
        trio.lowlevel.notify_closing(peer)
        peer.close()
