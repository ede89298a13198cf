"""Files and folders, read and changed as the person who asks would. I/O; it blocks, so threads call this.

Law: nothing waits for the other end of a pipe or operates a device, and what is read or listed has a bound. A new
file or folder has the mode that a command of the person would give it, whatever the daemon's own umask is.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from base64 import b64encode
from typing import Final

from codexd.machine.foreign_files import NotAFile, open_file, read_file
from codexd.machine.umask import mode_for_commands
from codexd.protocol.fs import FsGetMetadataResponse, FsReadDirectoryEntry

# As base64 it fits the largest answer, which is 64 MiB.
READ_BYTES_MAX: Final = 45 * 1024 * 1024
# So many entries make an answer of some 10 MB.
ENTRIES_MAX: Final = 100_000
_PIECE_BYTES: Final = 1024 * 1024
_OPEN: Final = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MODE_BITS: Final = 0o777


class NotDone(Exception):
    """What was asked for is not done; the message says why. `code` is for programs."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def read(path: str) -> bytes:
    """A file as a JSON string of its base64. Raises: NotAFile, NotDone, OSError."""
    data = read_file(path, READ_BYTES_MAX + 1)
    if len(data) > READ_BYTES_MAX:
        raise NotDone(f"file is too large to read: limit is {READ_BYTES_MAX} bytes", "too_large")
    return b'"%b"' % b64encode(data)


def write(path: str, data: bytes) -> None:
    """Put data in place of what is in a file. Raises: NotAFile, OSError."""
    fd, _ = _open_to_write(path, _MODE_BITS & 0o666)
    try:
        os.ftruncate(fd, 0)
        _write_all(fd, data)
    finally:
        os.close(fd)


def look(path: str) -> FsGetMetadataResponse:
    """What a path names. Raises: OSError."""
    found = os.stat(path)
    return FsGetMetadataResponse(
        is_directory=stat.S_ISDIR(found.st_mode),
        is_file=stat.S_ISREG(found.st_mode),
        is_symlink=os.path.islink(path),
        created_at_ms=int(getattr(found, "st_birthtime", 0) * 1000),
        modified_at_ms=found.st_mtime_ns // 1_000_000,
    )


def entries(path: str) -> tuple[FsReadDirectoryEntry, ...]:
    """What is in a folder. Raises: NotDone, OSError."""
    found: list[FsReadDirectoryEntry] = []
    with os.scandir(path) as listed:
        for entry in listed:
            if len(found) == ENTRIES_MAX:
                raise NotDone(
                    f"expected at most {ENTRIES_MAX} entries in {path}, found more; nothing was sent",
                    "too_large",
                )
            name = os.fsencode(entry.name).decode(errors="replace")
            found.append(FsReadDirectoryEntry(name, _is(entry, "dir"), _is(entry, "file")))
    return tuple(sorted(found, key=lambda entry: entry.file_name))


def _is(entry: os.DirEntry[str], kind: str) -> bool:
    try:
        return entry.is_dir() if kind == "dir" else entry.is_file()
    except OSError:  # of a link that leads in a circle, say
        return False


def create_folder(path: str, *, recursive: bool) -> None:
    """Make a folder; with `recursive` also those that it is in, and it may be there. Raises: OSError."""
    missing = [path]
    if recursive:
        missing.clear()
        folder = path
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
    for folder in reversed(missing):
        try:
            os.mkdir(folder)
        except FileExistsError:
            if recursive and os.path.isdir(folder):
                continue  # Another program was faster.
            raise
        os.chmod(folder, os.stat(folder).st_mode | mode_for_commands(0o777))


def remove(path: str, *, recursive: bool, force: bool) -> None:
    """Remove what a path names, not what a link leads to. Raises: NotDone, OSError."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        if force:
            return
        raise
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(path)
    elif not recursive:
        os.rmdir(path)
    else:
        import shutil  # 10 ms, for this alone

        try:
            shutil.rmtree(path)
        except RecursionError as error:
            raise NotDone(
                f"{path} is nested too deeply to be removed at once; a part of it may be removed",
                "too_deep",
            ) from error


def copy(source: str, destination: str, *, recursive: bool, until: float) -> None:
    """Copy a file, a link or a folder, until a time of `time.monotonic`. Raises: NotAFile, NotDone, OSError."""
    found = os.lstat(source)
    if not stat.S_ISDIR(found.st_mode):
        if not _copy_entry(source, destination, found, until):
            raise NotDone(
                "fs/copy only supports regular files, directories, and symlinks", "not_a_file"
            )
        return
    if not recursive:
        raise NotDone(
            "fs/copy requires recursive: true when sourcePath is a directory", "not_recursive"
        )
    inner = os.path.join(os.path.realpath(destination), "")
    if inner.startswith(os.path.join(os.path.realpath(source), "")):
        raise NotDone(
            "fs/copy cannot copy a directory to itself or one of its descendants", "own_descendant"
        )
    waiting = [(source, destination)]
    while waiting:
        source, destination = waiting.pop()
        create_folder(destination, recursive=True)
        with os.scandir(source) as listed:
            for entry in listed:
                target = os.path.join(destination, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, target))
                else:  # A pipe or a device is left out, as by Codex.
                    _copy_entry(entry.path, target, entry.stat(follow_symlinks=False), until)
                _check_time(until, source)


def _copy_entry(source: str, destination: str, found: os.stat_result, until: float) -> bool:
    """Copy a file or a link; False if it is neither."""
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(source), destination)
    elif stat.S_ISREG(found.st_mode):
        _copy_file(source, destination, until)
    else:
        return False
    return True


def _copy_file(source: str, destination: str, until: float) -> None:
    with open_file(source) as file:
        found = os.fstat(file.fileno())
        fd, there = _open_to_write(destination, 0o600)
        try:
            if os.path.samestat(found, there):
                return  # Codex empties the file here.
            os.ftruncate(fd, 0)
            while piece := os.read(file.fileno(), _PIECE_BYTES):
                _write_all(fd, piece)
                _check_time(until, source)
            os.fchmod(fd, found.st_mode & _MODE_BITS)
        finally:
            os.close(fd)


def _open_to_write(path: str, mode: int) -> tuple[int, os.stat_result]:
    """A regular file, opened with what is in it, and made if it is not there. Raises: NotAFile, OSError."""
    path = os.path.realpath(path)
    try:
        fd = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(fd, mode_for_commands(mode))
    except FileExistsError:
        _refuse_unless_file(path, os.stat(path))  # Opening a device can have an effect.
        fd = os.open(path, _OPEN)
    try:
        found = os.fstat(fd)
        _refuse_unless_file(path, found)
    except BaseException:
        os.close(fd)
        raise
    return fd, found


def _refuse_unless_file(path: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise NotAFile(path, found.st_mode)


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def _check_time(until: float, source: str) -> None:
    if time.monotonic() > until:
        raise NotDone(
            f"the time to copy is over, at {source}: a part of it was copied", "disk_too_slow"
        )
