"""Where things lie in a store's folder: a stream's name alone says where its file is, without an index.

threads/2026/11/21/<name>.jsonl   a stream under a UUIDv7, by the day (UTC) in its own timestamp
threads/other/<name>.jsonl        a stream under any other name
archived/<name>.jsonl             an archived one
drafts/<name>/0001-<draft>        text that is not yet a fact
blobs/ab/<sha256>                 bytes under their own hash
store.lock                        who owns the store
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from codexd_eventstore.files import Entry, FileSystem
from codexd_eventstore.store import Locked, Refused

LOG_SUFFIX: Final = ".jsonl"
# A file name may have 255 bytes; this leaves room for the suffixes of repairs.
NAME_CHARS_MAX: Final = 200

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{NAME_CHARS_MAX - 1}}}")
_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def check_name(name: str, what: str) -> None:
    """Raises: Refused for a name that is not made of letters, digits, `-`, `_` and `.`."""
    if not _NAME.fullmatch(name):
        raise Refused(
            f"{name[:80]!r} cannot name a {what}: 1 to {NAME_CHARS_MAX} letters, digits, '-', '_' or"
            " '.' are allowed, the first a letter or a digit"
        )


class Places:
    """The paths of one store, and the folders that are known to be on disk."""

    def __init__(self, fs: FileSystem, root: str) -> None:
        self.fs = fs
        self.root = root
        self.threads = f"{root}/threads"
        self.archive = f"{root}/archived"
        self.drafts = f"{root}/drafts"
        self.blobs = f"{root}/blobs"
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

    def prepare(self, folder: str) -> None:
        """Make a folder below the root and those above it, and sync the names of all of them.

        A folder that is already there is synced once too: whoever made it may have died before.
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

    def remove_log(self, path: str) -> None:
        """Remove a log and what repairs cut off it."""
        folder, _, name = path.rpartition("/")
        for row in self.fs.entries(folder):
            if row.name.startswith(f"{name}.torn-"):
                unlink_if_there(self.fs, f"{folder}/{row.name}")
        self.fs.unlink(path)
        self.fs.sync_folder(folder)

    def logs(self, *, archived: bool) -> Iterator[tuple[str, str, Entry]]:
        """Stream, path and row of every log file; slow where there are many, so ask in a thread."""
        for folder in [self.archive] if archived else self._days():
            for row in self.fs.entries(folder):
                stream = row.name.removesuffix(LOG_SUFFIX)
                is_log = row.name.endswith(LOG_SUFFIX) and _NAME.fullmatch(stream)
                if is_log and not row.is_folder and row.size_bytes:
                    yield stream, f"{folder}/{row.name}", row

    def _days(self) -> Iterator[str]:
        yield f"{self.threads}/other"
        for year in self._folders(self.threads):
            if not year.endswith("/other"):
                for month in self._folders(year):
                    yield from self._folders(month)

    def _folders(self, path: str) -> list[str]:
        return [f"{path}/{row.name}" for row in self.fs.entries(path) if row.is_folder]


def absolute(path: Path | str) -> str:
    """The path as it stays true when the working directory changes; asks the file system nothing."""
    return os.path.abspath(path)


def take_lock(fs: FileSystem, path: str, owner: str) -> int:
    """Own a store; the descriptor that holds it. Raises: Locked, naming the pid that has it."""
    lock = fs.lock(path)
    if lock is None:
        holder = fs.read_range(path, 0, 200).decode(errors="replace").split("\n")[0]
        raise Locked(f"{path} is held by process {holder or 'unknown'}: the store was not opened")
    # Never unlinked: another process could lock the old file while we lock a new one.
    fs.truncate(lock, 0)
    fs.write(lock, f"{os.getpid()} {owner}\n".encode())
    return lock


def make_root(fs: FileSystem, path: str) -> None:
    """Make a store's own folder and those above it that are missing."""
    missing = []
    while fs.state(path) is None:
        missing.append(path)
        above = path.rpartition("/")[0]
        if not above:
            break
        path = above
    for folder in reversed(missing):
        fs.make_folder(folder)


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
