"""The Unix socket by which a sandbox's relay reaches its proxy: in a folder of its own. I/O.

A later daemon that listens again makes another socket, under the same name. Linux only: other systems have no way to
name a socket whose path is long.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import trio

SOCKET_NAME: Final = "s"
BACKLOG: Final = 64  # connections that the kernel holds while the daemon is busy


def sweep(folder: Path) -> None:
    """Remove what daemons have left in the folder of all these sockets; a command that still runs gets its own again."""
    with suppress(OSError):
        for left in folder.iterdir():
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def listening_in(folder: Path) -> Iterator[trio.SocketListener]:
    """Listen in a folder that is made for it, with mode 0700; both are gone at the end. Raises: OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or stat.S_IMODE(folder.stat().st_mode) & 0o077:
        raise OSError(f"expected {folder} to be a folder of mode 0700: not used")
    path = folder / SOCKET_NAME
    path.unlink(missing_ok=True)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            sock.bind(f"/proc/self/fd/{opened}/{SOCKET_NAME}")  # The path itself may be too long.
        finally:
            os.umask(before)
            os.close(opened)
        sock.listen(BACKLOG)
        yield trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    finally:
        sock.close()
        with suppress(OSError):
            shutil.rmtree(folder)
