"""All calls of the store to the file system, so that tests can use another file system.

Law: nothing else in this package imports `os` for files. A file is made with mode 0600 and a folder with 0700,
and a umask can only remove bits. Every descriptor is close-on-exec, so that no tool that the daemon starts keeps
a log or the lock open. A file of ours is a regular file and no link: anything else at its path is an error, and
is neither followed nor waited for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from codexd_eventstore.store import StoreFailed

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
# Temporary errors, which damage nothing: the same call may be repeated. Each with a text for people.
PASSING: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file may not be larger: a limit of the system or of this process is reached",
    errno.EMFILE: "this process has no file descriptor left",
    errno.ENFILE: "the system has no file descriptor left",
    errno.ENOMEM: "the system has no memory left",
}
FULL_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# Up to this size, pieces are joined in memory that is reused. Longer ones get new memory from the
# system, and the first touch of each of its pages costs more than the copying.
JOINED_BYTES_MAX: Final = 64 * 1024
# The most pieces that one call takes (IOV_MAX in limits.h, 1024 on Linux and macOS).
PIECES_MAX: Final = 1024
# For every file that is opened: do not wait for a pipe, do not take a terminal as the controlling one.
_OF_OTHERS: Final = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_OURS: Final = _OF_OTHERS | os.O_NOFOLLOW


def store_failed(what: str, error: OSError, *, retry: bool | None = None) -> StoreFailed:
    """The store's error for an error of the system; `retry` overrides the default for its kind."""
    passes = error.errno in PASSING
    why = f"{PASSING[error.errno]} ({error})" if error.errno in PASSING else str(error)
    return StoreFailed(
        f"{what}: {why}",
        retry=passes if retry is None else retry,
        is_full=error.errno in FULL_ERRNOS,
    )


class FileState(msgspec.Struct, frozen=True, gc=False):
    """The result of `stat`: enough to see whether a path still names the file that we write."""

    device: int
    inode: int
    size_bytes: int
    modified_us: int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An entry of a folder."""

    name: str
    is_folder: bool
    size_bytes: int
    modified_us: int


class FileSystem:
    """The real file system. All of its methods block, and raise `OSError`."""

    def create(self, path: str) -> int:
        """Make a new file to append to. Raises: FileExistsError."""
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | _OURS
        return os.open(path, flags, FILE_MODE)

    def open(self, path: str) -> int:
        """Open a file that exists, to append to it and to read it."""
        return _opened(path, os.O_RDWR | os.O_APPEND | _OURS)

    def open_to_read(self, path: str) -> int:
        """Open a file that exists, to read it only."""
        return _opened(path, os.O_RDONLY | _OURS)

    def open_of_others(self, path: str) -> int:
        """Open a file that a person named, to read it only; the name may be a link."""
        return _opened(path, os.O_RDONLY | _OF_OTHERS)

    def close(self, fd: int) -> None:
        """Close a file without syncing. Errors of the disk are ignored: everything durable was synced before.

        The descriptor is closed either way (close(2)).
        """
        try:
            os.close(fd)
        except OSError as error:
            if error.errno == errno.EBADF:
                raise  # a bug of ours

    def write(self, fd: int, content: bytes) -> None:
        """Append all of `content`; if this raises, any part of it may have been written."""
        written = os.write(fd, content)
        while written < len(content):
            written += os.write(fd, memoryview(content)[written:])

    def write_pieces(self, fd: int, pieces: Sequence[bytes], size: int) -> None:
        """Append pieces of `size` bytes in all; if this raises, any part may have been written."""
        if size <= JOINED_BYTES_MAX:
            self.write(fd, b"".join(pieces))
            return
        for first in range(0, len(pieces), PIECES_MAX):
            some = pieces[first : first + PIECES_MAX]
            written = os.writev(fd, some)
            if written < sum(map(len, some)):
                self.write(fd, b"".join(some)[written:])

    def read(self, fd: int, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start`; fewer only at the end of the file."""
        content = os.pread(fd, size, start)
        while len(content) < size:
            more = os.pread(fd, size - len(content), start + len(content))
            if not more:
                break
            content += more
        return content

    def is_at_hand(self, fd: int, start: int, size: int) -> bool:
        """Whether the page cache most likely has these bytes: it has the first and the last."""
        if not hasattr(os, "RWF_NOWAIT"):
            return False
        try:
            for place in (start, start + size - 1):
                os.preadv(fd, [bytearray(1)], place, os.RWF_NOWAIT)
        except OSError:
            return False  # the read would wait for a disk, or the file system cannot say
        return True

    def read_range(self, path: str, start: int, size: int) -> bytes:
        """The same by path, with a descriptor of its own, for readers that must not use a writer's."""
        with reading(self, path) as fd:
            return self.read(fd, start, size)

    def sync(self, fd: int) -> None:
        """Return once the disk has the file's content and its length."""
        if sys.platform == "darwin":
            # fsync there only reaches the drive's cache (fcntl(2), F_FULLFSYNC).
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def sync_folder(self, path: str) -> None:
        """Return once the folder's entries are on disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def forget_cache(self, fd: int) -> None:
        """Ask the kernel to drop its cached pages of the file, after an error of the disk."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file off."""
        os.ftruncate(fd, size)

    def rename(self, old: str, new: str) -> None:
        """Move a file, over another file if there is one."""
        os.replace(old, new)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def make_folder(self, path: str) -> bool:
        """Make a folder if it does not exist; returns whether it was made. Its parent must exist."""
        try:
            os.mkdir(path, FOLDER_MODE)
        except FileExistsError:
            return False
        return True

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)

    def state(self, path: str) -> FileState | None:
        """The state of the file at a path; None if there is none."""
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _state(found)

    def fd_state(self, fd: int) -> FileState:
        """The state of an open file, under any path."""
        return _state(os.fstat(fd))

    def entries(self, path: str) -> list[Entry]:
        """The entries of a folder; none if it does not exist."""
        try:
            with os.scandir(path) as rows:
                return [entry for row in rows if (entry := _entry(row)) is not None]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def lock(self, path: str) -> int | None:
        """Take the advisory lock on a file, which is made if needed; None if another process has it.

        The lock belongs to the descriptor: it is released when that is closed or the process ends (flock(2)).
        """
        fd = _opened(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | _OURS)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        return fd


@contextmanager
def reading(fs: FileSystem, path: str) -> Iterator[int]:
    """A file that exists, open to be read for as long as the context lasts."""
    fd = fs.open_to_read(path)
    try:
        yield fd
    finally:
        fs.close(fd)


def open_own(path: str | os.PathLike[str], flags: int) -> int:
    """Open a regular file of ours, made with mode 0600 if `flags` say so; links are not followed. Raises: OSError."""
    return _opened(path, flags | _OURS)


def make_own(path: str | os.PathLike[str]) -> None:
    """Make a file of ours if there is none, for a library that opens it by itself. Raises: OSError."""
    os.close(open_own(path, os.O_CREAT | os.O_RDWR))


def _opened(path: str | os.PathLike[str], flags: int) -> int:
    fd = os.open(path, flags, FILE_MODE)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "expected a file, found something else", path)
    return fd


def _state(found: os.stat_result) -> FileState:
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns // 1000)


def _entry(row: os.DirEntry[str]) -> Entry | None:
    """The entry with its size; None if it was removed meanwhile.

    If the system does not report its kind, the size is unknown, and opening it gives the error.
    """
    try:
        if row.is_dir(follow_symlinks=False):
            return Entry(row.name, True, 0, 0)
        found = row.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return Entry(row.name, False, 0, 0)
    return Entry(row.name, False, found.st_size, found.st_mtime_ns // 1000)
