"""A round of the committer, in one of its threads: check, write, sync; and undo a failed write.

Law: while a round is in flight, the log's file belongs to its thread. A write that did not fit is cut off
again, so that the file ends where readers expect its end, and the cut is synced before the error is reported:
otherwise a power cut could restore refused records. After an I/O error or a failed sync, the kernel's state of
the file's pages cannot be trusted, so the file is closed and never synced again.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from codexd_eventstore.disk.files import PASSING, FileState, FileSystem, store_failed
from codexd_eventstore.disk.layout import Layout, unlink_if_there
from codexd_eventstore.log.log import Log, WriteBatch
from codexd_eventstore.store import StoreFailed


class Round:
    """One batch on its way into its file."""

    __slots__ = (
        *("batch", "disk_failed", "error", "fd", "file", "log", "name_synced", "ruined", "size"),
        "was_open",
    )

    def __init__(self, log: Log, batch: WriteBatch, before: Round | None = None) -> None:
        self.log = log
        self.batch = batch
        # After another round the file is as that round left it, and the event loop may not know it yet.
        self.fd: int | None = log.fd if before is None else before.fd
        self.was_open = self.fd is not None
        self.file: FileState | None = log.file if before is None else before.file
        self.name_synced: bool = log.name_synced if before is None else before.name_synced
        self.size: int = log.size if before is None else before.size + before.batch.size
        self.error: StoreFailed | None = None
        self.ruined = False  # whether the file must not be written any more
        # Whether the disk failed, and not another program changed the file.
        self.disk_failed = False

    def run(self, fs: FileSystem, layout: Layout) -> None:
        """Run the round; the attributes have the result, also after a failure."""
        is_new = self.size == 0
        try:
            self._open(fs, layout, is_new)
        except OSError as error:
            self._not_opened(fs, error)
            return
        if not self.ruined and self.batch.records:
            self._write(fs, is_new)
        if self.error is None and self.batch.durable:
            self._sync(fs, is_new)
        if self.ruined:
            self._give_up(fs)

    def follow(self) -> Round | None:
        """The next round, if this one succeeded and there is something to write.

        So the disk does not idle until the event loop has processed this round.
        """
        log = self.log
        if self.error is not None:
            return None
        with log.taking:
            batch = log.filling
            if batch is None:
                return None
            log.flying.append(batch)
            log.filling = None
        return Round(log, batch, self)

    def crash(self) -> None:
        """Mark the round as failed with an unknown state of the file."""
        self.ruined = True
        self.fd = None
        self.error = StoreFailed(f"stream {self.log.stream}: the committer crashed", retry=False)

    def _open(self, fs: FileSystem, layout: Layout, is_new: bool) -> None:
        path = self.log.path
        if self.fd is None:
            if is_new:
                layout.prepare(path.rpartition("/")[0])
                self.fd = _create(fs, path)
                self.file = fs.state(path)
                return
            self.fd = fs.open(path)
            opened = fs.fd_state(self.fd)
        elif not self.batch.durable:
            return
        else:
            opened = None
        # By path and not by descriptor, which would still show a file that was replaced.
        found = [fs.state(path), *([opened] if opened else [])]
        if not all(_is_same(state, self.file, self.size) for state in found):
            self.ruined = True
            self.error = StoreFailed(
                f"stream {self.log.stream}: {path} is not the file of {self.size} bytes that was"
                " written here: another program replaced, cut or extended it; nothing was appended",
                retry=False,
            )

    def _not_opened(self, fs: FileSystem, error: OSError) -> None:
        """Nothing was written. Earlier writes by an open descriptor cannot be synced any more."""
        retry = error.errno in PASSING
        self.error = self._failure("could not be opened", error, retry)
        if self.fd is None:
            return
        if not self.was_open:
            fs.close(self.fd)
            self.fd = None
        elif not retry:
            self.ruined = self.disk_failed = True
            self._give_up(fs)

    def _write(self, fs: FileSystem, is_new: bool) -> None:
        assert self.fd is not None
        try:
            fs.write_pieces(self.fd, self.batch.pieces, self.batch.size)
        except OSError as error:
            self.ruined = not self._is_taken_back(fs, error, is_new)
            self.disk_failed = self.ruined
            self.error = unwritten(self.log, error, retry=not self.ruined)

    def _sync_cut(self, fs: FileSystem) -> bool:
        """Sync the cut; returns whether the file on disk is as it was before the write."""
        assert self.fd is not None
        try:
            fs.sync(self.fd)
        except OSError:
            return False
        return True

    def _sync(self, fs: FileSystem, is_new: bool) -> None:
        assert self.fd is not None
        try:
            fs.sync(self.fd)
            if not self.name_synced:
                fs.sync_folder(self.log.path.rpartition("/")[0])
                self.name_synced = True
        except OSError as error:
            # The folder could not be opened, so no sync has failed.
            untried = error.errno in (errno.EMFILE, errno.ENFILE)
            untried = untried and self._is_taken_back(fs, error, is_new)
            self.ruined = self.disk_failed = not untried
            self.error = self._failure("could not be synced", error, untried)

    def _is_taken_back(self, fs: FileSystem, error: OSError, is_new: bool) -> bool:
        """Undo the write; returns whether the file is as it was before this round, also on disk."""
        assert self.fd is not None
        if not (take_back(fs, self.fd, self.size, error) and self._sync_cut(fs)):
            return False
        if is_new:
            fs.close(self.fd)
            self.fd = None
            with suppress(OSError):  # an empty file counts as none
                unlink_if_there(fs, self.log.path)
        return True

    def _give_up(self, fs: FileSystem) -> None:
        if self.fd is not None:
            fd, self.fd = self.fd, None
            abandon(fs, fd)

    def _failure(self, what: str, error: OSError, retry: bool) -> StoreFailed:
        words = f"stream {self.log.stream}: {self.log.path} {what}, and nothing was acknowledged"
        return store_failed(words, error, retry=retry)


def _create(fs: FileSystem, path: str) -> int:
    """A new file, or the empty file of a process that died before its first write."""
    try:
        return fs.create(path)
    except FileExistsError:
        found = fs.state(path)
        if found is None or found.size_bytes:
            raise
        return fs.open(path)


def _is_same(found: FileState | None, known: FileState | None, size: int) -> bool:
    return (
        found is not None
        and known is not None
        and found.inode == known.inode
        and found.device == known.device
        and found.size_bytes == size
    )


def take_back(fs: FileSystem, fd: int, size: int, error: OSError) -> bool:
    """Cut off the bytes of a failed write after `size`; returns whether the file can be used."""
    if error.errno not in PASSING:
        return False
    try:
        fs.truncate(fd, size)
    except OSError:
        return False
    return True


def unwritten(log: Log, error: OSError, *, retry: bool) -> StoreFailed:
    """The error for a write that failed."""
    outcome = (
        "nothing was appended" if retry else "what is left of it shows when it is opened again"
    )
    words = f"stream {log.stream}: {log.path} could not be written, and {outcome}"
    return store_failed(words, error, retry=retry)


def abandon(fs: FileSystem, fd: int) -> None:
    """Close a file that cannot be trusted any more, and ignore errors."""
    for step in (fs.forget_cache, fs.close):
        try:
            step(fd)
        except OSError:
            continue
