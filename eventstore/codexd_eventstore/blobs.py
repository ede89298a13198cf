"""Bytes under the name of their own sha256, in files that are never changed.

Law: a blob is under its name only when the disk has all of it, so what an event names is there.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from codexd_eventstore.files import FileSystem
from codexd_eventstore.places import Places, unlink_if_there
from codexd_eventstore.store import BlobRef, Damaged, NotFound

PIECE_BYTES: Final = 1024 * 1024
NAME_BYTES: Final = 64
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_HEX_RUN: Final = re.compile(rb"[0-9a-f]{64,}")


def names_in(content: bytes) -> Iterator[str]:
    """Every 64 hex digits in a row, which may be the name of a blob."""
    for run in _HEX_RUN.finditer(content):
        for start in range(run.start(), run.end() - NAME_BYTES + 1):
            yield content[start : start + NAME_BYTES].decode()


class Blobs:
    """The blobs of one store. All methods block."""

    def __init__(self, fs: FileSystem, places: Places) -> None:
        self._fs = fs
        self._places = places
        self._numbers = itertools.count()

    def put(self, content: bytes) -> BlobRef:
        """Store bytes unless they are there already."""
        sha256 = hashlib.sha256(content).hexdigest()
        self._store(sha256, lambda: [content])
        return BlobRef(sha256, len(content))

    def put_pieces(self, pieces: Callable[[], Iterable[bytes]]) -> BlobRef:
        """The same for what is too long to hold; `pieces` is called again until it gives the same twice.

        It does at once, but where what must not be stored came to be known in between.
        """
        while True:
            digest, size = hashlib.sha256(), 0
            for piece in pieces():
                digest.update(piece)
                size += len(piece)
            sha256 = digest.hexdigest()
            if self._store(sha256, pieces):
                return BlobRef(sha256, size)

    def size(self, sha256: str) -> int:
        """How many bytes it has. Raises: NotFound."""
        state = self._fs.state(self.path(sha256))
        if state is None:
            raise NotFound(f"there is no blob {sha256}")
        return state.size_bytes

    def read(self, sha256: str, start: int, end: int | None) -> bytes:
        """A range of it; the whole is checked against its name. Raises: NotFound, Damaged."""
        size = self.size(sha256)
        stop = size if end is None else min(end, size)
        content = self._fs.read_range(self.path(sha256), start, max(0, stop - start))
        if start == 0 and stop == size and hashlib.sha256(content).hexdigest() != sha256:
            raise Damaged(
                f"blob {sha256}: its {size} bytes have another hash; it was left as it is"
            )
        return content

    def _store(self, sha256: str, pieces: Callable[[], Iterable[bytes]]) -> bool:
        """Whether the pieces were what the name says; else nothing was stored."""
        path = self.path(sha256)
        folder = path.rpartition("/")[0]
        self._places.prepare(folder)
        if self._fs.state(path) is None:
            beside = f"{path}.{next(self._numbers)}.new"
            unlink_if_there(self._fs, beside)  # of a process that died
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
        # Also where it was there: whoever put it there may have died before its name was on disk.
        self._fs.sync_folder(folder)
        return True

    def path(self, sha256: str) -> str:
        """Where it lies, if it is there. Raises: NotFound for what names no blob."""
        if not _SHA256.fullmatch(sha256):
            raise NotFound(f"{sha256[:80]!r} is not the name of a blob: 64 hex digits are")
        return f"{self._places.blobs}/{sha256[:2]}/{sha256}"
