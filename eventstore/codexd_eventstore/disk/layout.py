"""The layout of a store's folder: the path of a stream's file follows from its name, without an index.

threads/2026/11/21/<name>.jsonl   a stream under a UUIDv7, by the day (UTC) in its own timestamp
threads/other/<name>.jsonl        a stream under any other name
archived/<name>.jsonl             an archived one
drafts/<name>/0001-<draft>        text that is not yet a fact
rewriting/<name>.jsonl            a new generation of a log until it is whole; never read
blobs/ab/<sha256>                 bytes under their own hash
store.lock                        held by the process that owns the store
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from codexd_eventstore.disk.files import Entry, FileSystem
from codexd_eventstore.store import Locked, Refused

LOG_SUFFIX: Final = ".jsonl"
# The suffixes of the files that are kept beside a log.
KEPT_MARKS: Final = (".torn-", ".damaged-")
# A file name may have 255 bytes; this leaves room for the suffixes of repairs.
NAME_CHARS_MAX: Final = 200

# A folder above the store that this process may not sync was not changed by it either.
_NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL})

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{NAME_CHARS_MAX - 1}}}")
_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def check_name(name: str, what: str) -> None:
    """Raises: Refused for a name that is not made of letters, digits, `-`, `_` and `.`."""
    if not _NAME.fullmatch(name):
        raise Refused(
            f"{name[:80]!r} cannot name a {what}: 1 to {NAME_CHARS_MAX} letters, digits, '-', '_' or"
            " '.' are allowed, the first a letter or a digit"
        )


class Layout:
    """The paths of one store, and the folders that are known to be on disk."""

    def __init__(self, fs: FileSystem, root: str) -> None:
        self.fs = fs
        self.root = root
        self.threads = f"{root}/threads"
        self.archive = f"{root}/archived"
        self.drafts = f"{root}/drafts"
        self.blobs = f"{root}/blobs"
        # One folder for all, so that a start finds the files of a dead process without a search.
        self.rewriting = f"{root}/rewriting"
        self._prepared: set[str] = set()

    def log(self, stream: str) -> str:
        """The path of a stream that is not archived. The name must be a legal one."""
        if not _UUID7.fullmatch(stream):
            return f"{self.threads}/other/{stream}{LOG_SUFFIX}"
        day = time.gmtime(int(stream[:8] + stream[9:13], 16) // 1000)
        return (
            f"{self.threads}/{day.tm_year:04d}/{day.tm_mon:02d}/{day.tm_mday:02d}"
            f"/{stream}{LOG_SUFFIX}"
        )

    def archived_log(self, stream: str) -> str:
        """The path of a stream once it is archived."""
        return f"{self.archive}/{stream}{LOG_SUFFIX}"

    def either(self, stream: str) -> tuple[tuple[str, bool], tuple[str, bool]]:
        """Both paths of a stream, each with whether it is there as an archived one."""
        return (self.log(stream), False), (self.archived_log(stream), True)

    def successor(self, stream: str) -> str:
        """The path of a new generation of a log, before it replaces the log."""
        return f"{self.rewriting}/{stream}{LOG_SUFFIX}"

    def drop_successors(self) -> None:
        """Remove new generations that a dead process left; their logs are unchanged."""
        for row in self.fs.entries(self.rewriting):
            unlink_if_there(self.fs, f"{self.rewriting}/{row.name}")

    def kept_beside(self, stream: str) -> list[str]:
        """The files beside a log: tails that were cut off, and damaged files that were salvaged."""
        found = []
        for path, _ in self.either(stream):
            folder, _, name = path.rpartition("/")
            begins = tuple(f"{name}{mark}" for mark in KEPT_MARKS)
            found += [
                f"{folder}/{row.name}"
                for row in self.fs.entries(folder)
                if row.name.startswith(begins) and not row.is_folder
            ]
        return found

    def prepare(self, folder: str) -> None:
        """Make a folder below the root and its parents, and sync the names of all these folders.

        An existing folder is synced once too: the process that made it may have died before.
        """
        if folder in self._prepared:
            return
        path = self.root
        for part in folder[len(self.root) + 1 :].split("/"):
            above, path = path, f"{path}/{part}"
            if path not in self._prepared:
                self.fs.make_folder(path)
                self.fs.sync_folder(above)
                self._prepared.add(path)

    def remove_log(self, stream: str, path: str) -> None:
        """Remove a log and the files that were kept beside it."""
        self.remove_kept(stream)
        self.fs.unlink(path)
        self.fs.sync_folder(path.rpartition("/")[0])

    def remove_kept(self, stream: str) -> list[str]:
        """Remove the files that were kept beside a log; returns their paths."""
        paths = self.kept_beside(stream)
        for path in paths:
            unlink_if_there(self.fs, path)
        for folder in {path.rpartition("/")[0] for path in paths}:
            self.fs.sync_folder(folder)
        return paths

    def logs(self, *, archived: bool) -> Iterator[tuple[str, str, Entry]]:
        """Stream, path and entry of every log file; slow if there are many, so call it in a thread."""
        for folder in [self.archive] if archived else self.days():
            for row in self.fs.entries(folder):
                stream = row.name.removesuffix(LOG_SUFFIX)
                is_log = row.name.endswith(LOG_SUFFIX) and _NAME.fullmatch(stream)
                if is_log and not row.is_folder and row.size_bytes:
                    yield stream, f"{folder}/{row.name}", row

    def naming(self) -> Iterator[tuple[str, str]]:
        """Every file that may name a blob, with a key that stays the same when it is moved."""
        # The archive is read twice, so that a file that moves once meanwhile is seen.
        for folder in (self.archive, *self.days(), self.archive):
            for row in self.fs.entries(folder):
                if not row.is_folder:
                    yield row.name, f"{folder}/{row.name}"
        for folder in self.folders(self.drafts):
            for row in self.fs.entries(folder):
                yield f"{folder}/{row.name}", f"{folder}/{row.name}"

    def days(self) -> Iterator[str]:
        """The folders that have logs which are not archived."""
        yield f"{self.threads}/other"
        for year in self.folders(self.threads):
            if not year.endswith("/other"):
                for month in self.folders(year):
                    yield from self.folders(month)

    def folders(self, path: str) -> list[str]:
        """The folders in a folder, newest first: they are named by date."""
        names = sorted((row.name for row in self.fs.entries(path) if row.is_folder), reverse=True)
        return [f"{path}/{name}" for name in names]


def is_name(stream: str) -> bool:
    """Whether a name is valid for a stream."""
    return _NAME.fullmatch(stream) is not None


def absolute(path: Path | str) -> str:
    """The path, made absolute without a call to the file system."""
    return os.path.abspath(path)


def take_lock(fs: FileSystem, path: str) -> int:
    """Lock a store; returns the descriptor of the lock. Raises: Locked, with the pid of the owner."""
    lock = fs.lock(path)
    if lock is None:
        holder = fs.read_range(path, 0, 200).decode(errors="replace").split("\n")[0]
        # A program that did not write into the file may hold it; the number is that of a dead owner then.
        named = f"process {holder}" if _is_alive(holder) else "another process"
        raise Locked(f"{path} is held by {named}: the store was not opened")
    # Never unlinked: another process could lock the old file while we lock a new file.
    fs.truncate(lock, 0)
    fs.write(lock, b"%d codexd_eventstore\n" % os.getpid())
    return lock


def _is_alive(owner: str) -> bool:
    pid = owner.partition(" ")[0]
    try:
        os.kill(int(pid) if pid.isdecimal() else 0, 0)  # 0, for what is no number: our own group
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid.isdecimal() and int(pid) > 0


def make_root(fs: FileSystem, path: str) -> None:
    """Make a store's folder and missing folders above it, and sync the names of all these folders.

    Also the name of the lowest existing folder: the process that made it may have died before.
    """
    missing = []
    while path and fs.state(path) is None:
        missing.append(path)
        path = path.rpartition("/")[0]
    for folder in [path, *reversed(missing)]:
        if folder in missing:
            fs.make_folder(folder)
        try:
            fs.sync_folder(folder.rpartition("/")[0] or "/")
        except OSError as error:
            if folder in missing or error.errno not in _NOT_OURS:
                raise


def unlink_if_there(fs: FileSystem, path: str) -> None:
    """Remove a file that may be gone already."""
    try:
        fs.unlink(path)
    except FileNotFoundError:
        return


def remove_folder_if_empty(fs: FileSystem, path: str) -> None:
    """Remove a folder unless something is in it."""
    try:
        fs.remove_folder(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise
