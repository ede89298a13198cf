"""Files that are not files, and files that never end: one of each kind, made at a path."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

HUGE_BYTES = 10 * 1024**3


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE_BYTES)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock, contextlib.chdir(path.parent):
        sock.bind(path.name)


def _linked_pipe(path: Path) -> None:
    pipe = path.with_name(f"{path.name}-pipe")
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    path.symlink_to(pipe)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _long(path: Path) -> None:
    path.write_bytes(b"a" * 2_000_000)


ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to a pipe": _linked_pipe,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link to zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to a terminal": lambda path: path.symlink_to("/dev/ptmx"),
    "a link to chance without end": lambda path: path.symlink_to("/dev/urandom"),
    "a link to itself": _loop,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to the environment": lambda path: path.symlink_to("/proc/self/environ"),
    "a sparse file of 10 GiB": _sparse,
    "a line of 2 MB": _long,
    "bytes of no text": lambda path: path.write_bytes(bytes(range(256)) * 64),
}


def make_odd(kind: str, path: Path) -> None:
    """Put one of the kind at a path, in place of what is there."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    ODD[kind](path)


class NoMounts(Exception):
    """This user may mount nothing here."""


@contextlib.contextmanager
def dead_mount(folder: Path) -> Iterator[None]:
    """A mount whose program never answers: whoever looks at it waits until this ends. Raises: NoMounts.

    FUSE in the kernel's own words: mount(8) is not asked, and nobody reads the device (fuse(4)).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise NoMounts(str(error)) from error
    try:
        options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        where = os.fsencode(folder)
        if libc.mount(b"dead", where, b"fuse", 0, options.encode()) != 0:
            raise NoMounts(os.strerror(ctypes.get_errno()))
        try:
            yield
        finally:
            os.close(device)  # which ends all waiting with an error
            device = -1
            libc.umount2(where, 2)  # MNT_DETACH
    finally:
        if device >= 0:
            os.close(device)
