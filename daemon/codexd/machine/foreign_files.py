"""Opens files of other programs without waiting, refuses all but regular files, reads up to a bound. I/O; it blocks.

Law: for any path, nothing here waits for the other end of a pipe, operates a device, or reads
more than the given bytes. A disk that does not answer blocks the caller, so `patience.py` calls this in a thread.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from typing import Final

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PIECE_BYTES: Final = 1024 * 1024
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISLNK, "a link"),
)


class NotAFile(OSError):
    """The path names no regular file; `strerror` says what it names."""

    def __init__(self, path: str | os.PathLike[str], mode: int) -> None:
        kind = next((name for test, name in _KINDS if test(mode)), "a device")
        super().__init__(errno.EINVAL, f"expected a file, found {kind}", os.fspath(path))
        self.kind = kind


def open_file(path: str | os.PathLike[str], *, follow: bool = True) -> FileIO:
    """A regular file, to be read; `follow` says whether its name may be a link.

    Raises: NotAFile, OSError; ValueError for a path that is none.
    """
    # Opening a device can have an effect, and the other end of a pipe would see a reader.
    _refuse_unless_file(path, os.stat(path, follow_symlinks=follow))
    fd = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    try:
        _refuse_unless_file(path, os.fstat(fd))
        return FileIO(fd)
    except BaseException:
        os.close(fd)
        raise


def read_file(path: str | os.PathLike[str], bytes_max: int, *, follow: bool = True) -> bytes:
    """The first `bytes_max` bytes of a file. Raises: NotAFile, OSError, ValueError."""
    with open_file(path, follow=follow) as file:
        return read_up_to(file, bytes_max)


def read_up_to(file: FileIO, bytes_max: int) -> bytes:
    """The next bytes of a file; fewer only at its end. Its reported size is not used."""
    pieces, left = [], bytes_max
    while left and (piece := os.read(file.fileno(), min(left, _PIECE_BYTES))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _refuse_unless_file(path: str | os.PathLike[str], found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotAFile(path, found.st_mode)
