"""What one visit to the disk does, in the committer's threads: check, write, sync; and clean up what went wrong.

Law: while a round is in flight, the log's file belongs to its thread. A write that did not fit is cut off
again, so that the file ends where readers know it to end. After an I/O error or a sync that failed, nothing
that the kernel says about the file's pages can be believed, so the file is closed and never synced again.
"""

from __future__ import annotations

import errno
from typing import Final

from codexd_eventstore.files import FULL_ERRNOS, FileState, FileSystem
from codexd_eventstore.log import Batch, Log
from codexd_eventstore.places import Places, unlink_if_there
from codexd_eventstore.store import StoreFailed

# Nothing was written, and it passes when somebody closes files.
_PASSING_ERRNOS: Final = FULL_ERRNOS | {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Round:
    """One batch on its way into its file."""

    __slots__ = ("batch", "error", "fd", "file", "log", "name_synced", "ruined")

    def __init__(self, log: Log, batch: Batch) -> None:
        self.log = log
        self.batch = batch
        self.fd = log.fd
        self.file = log.file
        self.name_synced = log.name_synced
        self.error: StoreFailed | None = None
        self.ruined = False  # whether the file must not be written any more

    def run(self, fs: FileSystem, places: Places) -> None:
        """Do it; what came of it stands in the attributes, also where it failed."""
        is_new = self.log.size == 0
        try:
            self._open(fs, places, is_new)
        except OSError as error:
            retry = error.errno in _PASSING_ERRNOS
            self.error = self._failure("could not be opened", error, retry)
            return
        if not self.ruined and self.batch.records:
            self._write(fs, is_new)
        if self.error is None and self.batch.durable:
            self._sync(fs)
        if self.ruined:
            self._give_up(fs)

    def crash(self) -> None:
        """Say that it did not come to its end, and nobody knows how far it came."""
        self.ruined = True
        self.fd = None
        self.error = StoreFailed(f"stream {self.log.stream}: the committer crashed", retry=False)

    def _open(self, fs: FileSystem, places: Places, is_new: bool) -> None:
        path = self.log.path
        if self.fd is None:
            if is_new:
                places.prepare(path.rpartition("/")[0])
                self.fd = _create(fs, path)
                self.file = fs.state(path)
                return
            self.fd = fs.open(path)
        elif not self.batch.durable:
            return
        found = fs.state(path)
        if self.file is None or found is None or not _is_same(found, self.file, self.log.size):
            self.ruined = True
            self.error = StoreFailed(
                f"stream {self.log.stream}: {path} is not the file of {self.log.size} bytes that was"
                " written here: somebody replaced, cut or extended it; nothing was appended",
                retry=False,
            )

    def _write(self, fs: FileSystem, is_new: bool) -> None:
        assert self.fd is not None
        lines = [record.line for record in self.batch.records]
        lines.append(b"")
        try:
            fs.write(self.fd, b"\n".join(lines))
        except OSError as error:
            self.error, self.ruined = take_back(fs, self.log, self.fd, error)
            if is_new and not self.ruined:
                fs.close(self.fd)
                self.fd = None
                unlink_if_there(fs, self.log.path)

    def _sync(self, fs: FileSystem) -> None:
        assert self.fd is not None
        try:
            fs.sync(self.fd)
            if not self.name_synced:
                fs.sync_folder(self.log.path.rpartition("/")[0])
                self.name_synced = True
        except OSError as error:
            self.ruined = True
            self.error = self._failure("could not be synced", error, False)

    def _give_up(self, fs: FileSystem) -> None:
        if self.fd is not None:
            fd, self.fd = self.fd, None
            abandon(fs, fd)

    def _failure(self, what: str, error: OSError, retry: bool) -> StoreFailed:
        return StoreFailed(
            f"stream {self.log.stream}: {self.log.path} {what} ({error}): nothing was acknowledged",
            retry=retry,
        )


def _create(fs: FileSystem, path: str) -> int:
    """A new file, or the empty one that a process left which died before its first write."""
    try:
        return fs.create(path)
    except FileExistsError:
        found = fs.state(path)
        if found is None or found.size_bytes:
            raise
        return fs.open(path)


def _is_same(found: FileState, known: FileState, size: int) -> bool:
    return found.inode == known.inode and found.device == known.device and found.size_bytes == size


def take_back(fs: FileSystem, log: Log, fd: int, error: OSError) -> tuple[StoreFailed, bool]:
    """Cut off what a failed write left; the error to raise, and whether the file is ruined."""
    is_full = error.errno in FULL_ERRNOS
    ruined = not is_full
    if is_full:
        try:
            fs.truncate(fd, log.size)
        except OSError:
            ruined = True
    message = f"stream {log.stream}: {log.path} could not be written ({error})"
    return StoreFailed(f"{message}: nothing was appended", retry=not ruined), ruined


def abandon(fs: FileSystem, fd: int) -> None:
    """Close a file that cannot be trusted any more, as well as that goes."""
    for step in (fs.forget_cache, fs.close):
        try:
            step(fd)
        except OSError:
            continue
