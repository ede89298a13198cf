"""One stream of a process's output as a file of bounded size: its first half, and the newest of the rest.

    claimed, read (8 bytes each, big endian) | first half | a ring for all that follows

The file has no name: the keeper passes its descriptor on, and nothing is left of it when the last holder has ended.
Where the ring is written, the header says beforehand up to where, so that a reader knows which bytes to trust. A
reader of the ring says how far it is, so that a writer may wait a moment for one that keeps up.
"""

from __future__ import annotations

import contextlib
import os

HEADER_BYTES = 16
_NUMBER_BYTES = 8


class Spool:
    """The writing side."""

    def __init__(self, folder: str, bytes_max: int) -> None:
        """Raises: OSError."""
        self.fd = _nameless(folder)
        self.total_bytes = 0
        self._half = bytes_max // 2
        self._waiting = b""  # what a full disk did not take

    def write(self, data: memoryview) -> bool:
        """Add what came; False where some of it waits for the disk: then `catch_up` comes first."""
        done = self._put(data)
        self._waiting = bytes(data[done:])
        return not self._waiting

    def catch_up(self) -> bool:
        """Write what waits; whether all of it is written."""
        self._waiting = self._waiting[self._put(memoryview(self._waiting)) :]
        return not self._waiting

    def _put(self, data: memoryview) -> int:
        done = 0
        with contextlib.suppress(OSError):
            while done < len(data):
                place, room = self._place()
                piece = data[done : done + room]
                if place >= self._half:
                    claimed = self.total_bytes + len(piece)
                    os.pwrite(self.fd, claimed.to_bytes(_NUMBER_BYTES, "big"), 0)
                count = os.pwrite(self.fd, piece, HEADER_BYTES + place)
                done += count
                self.total_bytes += count
        return done

    def _place(self) -> tuple[int, int]:
        """Where the next byte goes, and how many go there in a row."""
        if self.total_bytes < self._half:
            return self.total_bytes, self._half - self.total_bytes
        turned = (self.total_bytes - self._half) % self._half
        return self._half + turned, self._half - turned

    def unread_from(self, count: int) -> int | None:
        """How far a reader of the ring is, if `count` more bytes overwrote what it has not read; None if not."""
        if self.total_bytes + count <= 2 * self._half:
            return None
        read = int.from_bytes(os.pread(self.fd, _NUMBER_BYTES, _NUMBER_BYTES), "big")
        return read if self.total_bytes + count - read > self._half else None

    def close(self) -> None:
        os.close(self.fd)


def read_spool(
    fd: int, offset: int, total_bytes: int, bytes_max: int, chunk_bytes: int
) -> tuple[int, bytes]:
    """How many bytes at `offset` of the stream are lost, and the bytes after them: at most `chunk_bytes`.

    `total_bytes` is how long the stream is known to be, and `bytes_max` the limit of the spool.
    """
    half = bytes_max // 2
    if offset < half:
        count = min(chunk_bytes, total_bytes - offset, half - offset)
        return 0, os.pread(fd, count, HEADER_BYTES + offset)
    begin = max(offset, _oldest(fd, half))
    turned = (begin - half) % half
    count = min(chunk_bytes, max(0, total_bytes - begin), half - turned)
    data = os.pread(fd, count, HEADER_BYTES + half + turned)
    # What was overwritten during the read is lost as well.
    torn = min(max(0, _oldest(fd, half) - begin), len(data))
    return begin + torn - offset, data[torn:]


def note_read(fd: int, offset: int, bytes_max: int) -> None:
    """The reader has all before this offset. Where a full disk does not take it, a writer waits in vain for a moment."""
    if offset >= bytes_max // 2:
        with contextlib.suppress(OSError):
            os.pwrite(fd, offset.to_bytes(_NUMBER_BYTES, "big"), _NUMBER_BYTES)


def _oldest(fd: int, half: int) -> int:
    """Where the ring begins: all before it is lost, except the first half."""
    claimed = int.from_bytes(os.pread(fd, _NUMBER_BYTES, 0), "big")
    return max(half, claimed - half)


def _nameless(folder: str) -> int:
    os.makedirs(folder, 0o700, exist_ok=True)  # A person may have removed the state.
    flags = getattr(os, "O_TMPFILE", None)
    if flags is not None:
        # Some file systems have no such files.
        with contextlib.suppress(OSError):
            return os.open(folder, flags | os.O_RDWR, 0o600)
    import tempfile  # a third of the keeper's start, and seldom needed

    fd, name = tempfile.mkstemp(dir=folder)
    os.unlink(name)
    return fd
