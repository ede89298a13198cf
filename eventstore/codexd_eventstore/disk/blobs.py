"""Bytes stored under their own sha256, in files that are never changed.

Law: a blob has its name only when all of it is on disk, so a blob that an event names exists.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from codexd_eventstore.disk.files import FileSystem, reading
from codexd_eventstore.disk.layout import Layout, unlink_if_there
from codexd_eventstore.store import BlobRef, Damaged, NotFound

PIECE_BYTES: Final = 1024 * 1024
NAME_BYTES: Final = 64
# How long a new blob is kept from a sweep. It is put before the event that names it, and an append may wait for space
# on a full disk; and a full disk is when people sweep.
BLOB_GRACE_SECONDS: Final = 24 * 3600
# With fewer entries than this, old entries are not searched for.
RECENT_PRUNED_AT: Final = 4096
_UNFINISHED: Final = ".new"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_HEX_RUN: Final = re.compile(rb"[0-9a-f]{64,}")


def names_in(content: bytes) -> Iterator[str]:
    """Every run of 64 hex digits, which may be the name of a blob."""
    for run in _HEX_RUN.finditer(content):
        for start in range(run.start(), run.end() - NAME_BYTES + 1):
            yield content[start : start + NAME_BYTES].decode()


class Recent:
    """The blobs that this process put recently, each with a count; callers hold a lock."""

    def __init__(self) -> None:
        self._puts: dict[str, tuple[int, float]] = {}
        self._prune_at = RECENT_PRUNED_AT

    def __contains__(self, sha256: str) -> bool:
        return self._is_recent(self._puts.get(sha256, (0, 0.0)))

    def note(self, sha256: str, *, again: bool = False) -> None:
        """Count a put, or (`again`) restart the time of a counted one."""
        count = self._puts.get(sha256, (0, 0.0))[0]
        self._puts[sha256] = (max(count, 1) if again else count + 1, time.monotonic())
        if len(self._puts) > self._prune_at:
            recent = {name: put for name, put in self._puts.items() if self._is_recent(put)}
            self._puts, self._prune_at = recent, max(RECENT_PRUNED_AT, 2 * len(recent))

    def release(self, sha256: str) -> None:
        """Count one put less: its log is gone."""
        count, at = self._puts.get(sha256, (0, 0.0))
        if count > 1:
            self._puts[sha256] = (count - 1, at)
        else:
            self._puts.pop(sha256, None)

    def _is_recent(self, put: tuple[int, float]) -> bool:
        return put[0] > 0 and time.monotonic() - put[1] < BLOB_GRACE_SECONDS


class Blobs:
    """The blobs of one store. All methods block."""

    def __init__(self, fs: FileSystem, layout: Layout) -> None:
        self._fs = fs
        self._layout = layout
        self._numbers = itertools.count()
        self._guard = threading.Lock()
        self._recent = Recent()
        self._making: set[str] = set()  # the unfinished files that are being written

    def put(self, content: bytes) -> BlobRef:
        """Store bytes unless the store has them already."""
        sha256 = hashlib.sha256(content).hexdigest()
        self._store(sha256, lambda: [content])
        return BlobRef(sha256, len(content))

    def put_pieces(self, pieces: Callable[[], Iterable[bytes]]) -> BlobRef:
        """The same for content that is too long for memory; `pieces` is called until two calls give the same.

        The first two calls do, unless a new secret became known in between.
        """
        while True:
            digest, size = hashlib.sha256(), 0
            for piece in pieces():
                digest.update(piece)
                size += len(piece)
            sha256 = digest.hexdigest()
            if self._store(sha256, pieces):
                return BlobRef(sha256, size)

    def all(self) -> Iterator[tuple[str, int]]:
        """The names and sizes of all blobs."""
        for folder in self._fs.entries(self._layout.blobs):
            for row in self._fs.entries(f"{self._layout.blobs}/{folder.name}"):
                if _SHA256.fullmatch(row.name) and not row.is_folder:
                    yield row.name, row.size_bytes

    def is_there(self, sha256: str) -> bool:
        """Whether the blob exists."""
        return self._fs.state(self.path(sha256)) is not None

    def remove_old(self, sha256: str) -> bool:
        """Remove a blob that no log names, unless a later append of this process may name it."""
        with self._guard:
            if sha256 in self._recent:
                return False
            unlink_if_there(self._fs, self.path(sha256))
        return True

    def release(self, names: Iterable[str]) -> None:
        """A log that named these blobs is gone: count one put less for each."""
        with self._guard:
            for name in names:
                self._recent.release(name)

    def drop_unfinished(self) -> None:
        """Remove unfinished files of processes that died."""
        for folder in self._fs.entries(self._layout.blobs):
            for row in self._fs.entries(f"{self._layout.blobs}/{folder.name}"):
                path = f"{self._layout.blobs}/{folder.name}/{row.name}"
                with self._guard:
                    if path.endswith(_UNFINISHED) and path not in self._making:
                        unlink_if_there(self._fs, path)

    def check(self, sha256: str) -> str | None:
        """The damage of a blob, which is read piece by piece; None if it is whole. Raises: NotFound."""
        digest, size = hashlib.sha256(), self.size(sha256)
        with reading(self._fs, self.path(sha256)) as fd:
            for start in range(0, size, PIECE_BYTES):
                digest.update(self._fs.read(fd, start, PIECE_BYTES))
        if digest.hexdigest() != sha256:
            return f"its {size} bytes have another hash"
        return None

    def size(self, sha256: str) -> int:
        """The size of a blob in bytes. Raises: NotFound."""
        state = self._fs.state(self.path(sha256))
        if state is None:
            raise NotFound(f"there is no blob {sha256}")
        return state.size_bytes

    def read(self, sha256: str, start: int, end: int | None) -> bytes:
        """A range of a blob; the whole blob is checked against its name. Raises: NotFound, Damaged."""
        size = self.size(sha256)
        stop = size if end is None else min(end, size)
        content = self._fs.read_range(self.path(sha256), start, max(0, stop - start))
        if start == 0 and stop == size and hashlib.sha256(content).hexdigest() != sha256:
            raise Damaged(
                f"blob {sha256}: its {size} bytes have another hash; it was left as it is"
            )
        return content

    def _store(self, sha256: str, pieces: Callable[[], Iterable[bytes]]) -> bool:
        """Store the pieces if their hash is `sha256`; returns whether it is."""
        path = self.path(sha256)
        folder = path.rpartition("/")[0]
        self._layout.prepare(folder)
        with self._guard:
            # From here on no sweep removes the blob.
            self._recent.note(sha256)
        try:
            if self._fs.state(path) is None and not self._write(path, sha256, pieces):
                return False
        finally:
            with self._guard:
                self._recent.note(sha256, again=True)
        # Also if it existed: the process that put it may have died before its name was on disk.
        self._fs.sync_folder(folder)
        return True

    def _write(self, path: str, sha256: str, pieces: Callable[[], Iterable[bytes]]) -> bool:
        beside = f"{path}.{next(self._numbers)}{_UNFINISHED}"
        self._making.add(beside)
        try:
            unlink_if_there(self._fs, beside)  # left by a process that died
            fd = self._fs.create(beside)
            digest = hashlib.sha256()
            try:
                for piece in pieces():
                    digest.update(piece)
                    self._fs.write(fd, piece)
                if digest.hexdigest() != sha256:
                    unlink_if_there(self._fs, beside)
                    return False
                self._fs.sync(fd)
                self._fs.rename(beside, path)
            except OSError:
                unlink_if_there(self._fs, beside)
                raise
            finally:
                self._fs.close(fd)
        finally:
            self._making.discard(beside)
        return True

    def path(self, sha256: str) -> str:
        """The path of a blob, whether or not it exists. Raises: NotFound for an invalid name."""
        if not _SHA256.fullmatch(sha256):
            raise NotFound(f"{sha256[:80]!r} is not the name of a blob: 64 hex digits are")
        return f"{self._layout.blobs}/{sha256[:2]}/{sha256}"
