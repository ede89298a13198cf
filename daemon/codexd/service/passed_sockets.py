"""The listening socket that systemd, launchd, or the process before a restart in place has passed. I/O.

Sources: sd_listen_fds(3), and Apple's `launch_activate_socket`, which <launch.h> declares.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

log = logging.getLogger(__name__)

_FIRST_FD: Final = 3
# What codexd.socket and the property list call the socket. A unit without FileDescriptorName passes its own name, and
# a starter that knows no names says `unknown`.
NAME: Final = "codexd"
_NAMES: Final = frozenset({NAME, "codexd.socket", "unknown"})
# A socket that the daemon itself had bound, and passes on to itself: at the end it is removed.
OWN_NAME: Final = "codexd.own"
# More than any manager passes; the number is a foreign text.
_FDS_MAX: Final = 64


class UnusableSocket(Exception):
    """A socket was passed that is none to listen on; says what was found."""


class PassedSocket(NamedTuple):
    """A listening Unix socket, and where it was bound."""

    sock: socket.socket
    path: Path
    is_own: bool  # bound by this daemon, before it restarted itself


def passed_socket(variables: Mapping[str, str]) -> PassedSocket | None:
    """The socket to listen on, or None: then it is to be bound. Closes all others that were passed.

    Raises:
        UnusableSocket: it is no Unix stream socket that listens at a path.
    """
    found: PassedSocket | None = None
    for fd, name in _passed_by_systemd(variables):
        if found is None and (name in _NAMES or name == OWN_NAME):
            found = _listening_socket(fd, name)
        else:
            log.warning("file descriptor %d was passed as %r, and is not used", fd, name)
            os.close(fd)
    if found is None and sys.platform == "darwin":
        fds = passed_by_launchd(ctypes.CDLL(None))
        found = _listening_socket(fds[0], NAME) if fds else None
        for fd in fds[1:]:
            os.close(fd)
    return found


def _passed_by_systemd(variables: Mapping[str, str]) -> list[tuple[int, str]]:
    count = variables.get("LISTEN_FDS", "")
    if variables.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    names = variables.get("LISTEN_FDNAMES", "").split(":")
    fds = range(_FIRST_FD, _FIRST_FD + min(int(count), _FDS_MAX))
    return [
        (fd, names[at] if at < len(names) and names[at] else "unknown") for at, fd in enumerate(fds)
    ]


def passed_by_launchd(library: Any) -> list[int]:
    """The descriptors that launchd has for this process under our name; none if launchd did not start it.

    `library` has the C functions `launch_activate_socket` and `free`.
    """
    if not hasattr(library, "launch_activate_socket"):
        return []
    fds, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t()
    problem = library.launch_activate_socket(NAME.encode(), ctypes.byref(fds), ctypes.byref(count))
    if problem:  # ESRCH: not started by launchd. ENOENT: its property list has no such socket.
        return []
    found = [fds[at] for at in range(count.value)]
    library.free(fds)
    return found


def _listening_socket(fd: int, name: str) -> PassedSocket:
    try:
        sock = socket.socket(fileno=fd)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        path = sock.getsockname()
    except OSError as error:
        raise UnusableSocket(
            f"expected file descriptor {fd} to be a listening socket: {error}"
        ) from error
    if (
        sock.family != socket.AF_UNIX
        or sock.type != socket.SOCK_STREAM
        or not listens
        or not isinstance(path, str)
        or not path.startswith("/")
    ):
        sock.close()
        raise UnusableSocket(
            f"expected file descriptor {fd} to be a Unix stream socket that listens at a path, found another"
        )
    os.set_inheritable(fd, False)
    sock.setblocking(False)
    return PassedSocket(sock, Path(path), name == OWN_NAME)
