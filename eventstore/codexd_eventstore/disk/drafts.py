"""Drafts: text that is not yet an event, in a file for each draft, whose first line is the header.

Law: text whose `append` has returned survives the process, because the kernel has it. Nothing is synced.
An append is one write on the event loop: a thread hop would cost ten times as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import trio

from codexd_eventstore.disk.blobs import PIECE_BYTES, Blobs
from codexd_eventstore.disk.files import PASSING, FileSystem, store_failed
from codexd_eventstore.disk.layout import (
    Layout,
    check_name,
    remove_folder_if_empty,
    unlink_if_there,
)
from codexd_eventstore.disk.redact import Redacting
from codexd_eventstore.store import (
    LEFT_BYTES_MAX,
    LEFT_END_BYTES,
    BlobRef,
    LeftDraft,
    NotFound,
    Refused,
)

_FILE: Final = re.compile(r"([0-9]{4,18}+)-(.+)")


class FileDraft:
    """A draft that this process is writing; see `codexd_eventstore.store.Draft`."""

    def __init__(self, owner: Drafts, stream: str, path: str, fd: int, header_size: int) -> None:
        self._owner = owner
        self.stream, self.path = stream, path
        self._fd: int | None = fd
        self._start = header_size
        self._size = 0

    @property
    def size_bytes(self) -> int:
        return self._size

    def goes_on(self, size_bytes: int) -> None:
        """Its file has so much of its content already."""
        self._size = size_bytes

    def append(self, content: bytes) -> int:
        fd, fs = self._opened(), self._owner.fs
        try:
            fs.write(fd, content)
        except OSError as error:
            retry = error.errno in PASSING
            try:
                fs.truncate(fd, self._start + self._size)
            except OSError:
                retry = False
            raise store_failed(f"draft {self.path}", error, retry=retry) from error
        self._size += len(content)
        return self._size

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        stop = self._size if end is None else min(end, self._size)
        fd = self._opened()
        try:
            return self._owner.fs.read(fd, self._start + start, max(0, stop - start))
        except OSError as error:
            raise store_failed(f"draft {self.path}", error, retry=False) from error

    def drop(self) -> None:
        """Remove the draft; may be called twice. If its file cannot be removed, the next process finds it."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._owner.dropped(self.stream, self.path)
            self._owner.fs.close(fd)
            with suppress(OSError):
                unlink_if_there(self._owner.fs, self.path)

    async def keep(self, *, drop: bool = True) -> BlobRef:
        fd, fs = self._opened(), self._owner.fs
        end = self._start + self._size

        def raw() -> Iterator[bytes]:
            for position in range(self._start, end, PIECE_BYTES):
                yield fs.read(fd, position, min(PIECE_BYTES, end - position))

        def pieces() -> Iterator[bytes]:
            return self._owner.redacting.pieces(raw())

        # Copied, not renamed: its header is no part of the blob.
        try:
            blob = await trio.to_thread.run_sync(self._owner.blobs.put_pieces, pieces)
        except OSError as error:
            raise store_failed(f"draft {self.path}", error) from error
        if drop:
            self.drop()
        return blob

    def release(self) -> None:
        """Close the file and keep it, when the store closes."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._owner.fs.close(fd)

    def _opened(self) -> int:
        if self._fd is None:
            raise NotFound(f"draft {self.path} was dropped")
        return self._fd


class Drafts:
    """The drafts of one store."""

    def __init__(self, fs: FileSystem, layout: Layout, blobs: Blobs, redacting: Redacting) -> None:
        self.fs = fs
        self.redacting = redacting
        self.blobs = blobs
        self._layout = layout
        self._live: dict[str, dict[str, FileDraft]] = {}  # by stream and path
        self._numbers: dict[str, int] = {}  # the last number given, by stream

    def open(self, stream: str, name: str, header: bytes) -> FileDraft:
        """Start a draft beside the stream."""
        check_name(stream, "stream")
        check_name(name, "draft")
        if b"\n" in header:
            raise Refused(f"draft {name}: its header is one line: nothing was made")
        folder = f"{self._layout.drafts}/{stream}"
        try:
            if stream not in self._numbers:
                last = max((row[0] for row in self._rows(stream)), default=0)
                self.fs.make_folder(self._layout.drafts)
                self.fs.make_folder(folder)
                self._numbers[stream] = last  # only now, so that a failed number is used again
            path = f"{folder}/{self._numbers[stream] + 1:04d}-{name}"
            fd = self.fs.create(path)
            self._numbers[stream] += 1
            try:
                self.fs.write(fd, header + b"\n")
            except OSError:
                self.fs.close(fd)
                with suppress(OSError):  # a file without a whole header is not a draft
                    unlink_if_there(self.fs, path)
                raise
        except OSError as error:
            raise store_failed(f"draft {name} of {stream}", error) from error
        return self._lives(FileDraft(self, stream, path, fd, len(header) + 1))

    def reopen(self, stream: str, left: LeftDraft) -> FileDraft:
        """Go on with a draft that was left: of several with the name and the header, the longest."""
        head = left.header + b"\n"
        try:
            found = [
                (state.size_bytes, path)
                for _, path in self._left_files(stream)
                if _name_in(path) == left.name
                and (state := self.fs.state(path)) is not None
                and self.fs.read_range(path, 0, len(head)) == head
            ]
            if not found:
                raise NotFound(f"no draft {left.name} of {stream} was left")
            size_bytes, path = max(found)
            draft = FileDraft(self, stream, path, self.fs.open(path), len(head))
        except OSError as error:
            raise store_failed(f"draft {left.name} of {stream}", error, retry=False) from error
        draft.goes_on(size_bytes - len(head))
        return self._lives(draft)

    def _lives(self, draft: FileDraft) -> FileDraft:
        self._live.setdefault(draft.stream, {})[draft.path] = draft
        return draft

    def dropped(self, stream: str, path: str) -> None:
        """Forget a live draft."""
        live = self._live.get(stream)
        if live is not None:
            live.pop(path, None)
            if not live:
                del self._live[stream]

    def left(self, stream: str) -> list[LeftDraft]:
        """The drafts that no live process is writing, oldest first. Blocks. Raises: StoreFailed."""
        found = []
        try:
            for _, path in self._left_files(stream):
                state = self.fs.state(path)
                size = state.size_bytes if state else 0
                begin = self.fs.read_range(path, 0, min(size, LEFT_BYTES_MAX))
                header, newline, content = begin.partition(b"\n")
                end_at = max(len(begin), size - LEFT_END_BYTES)
                end = self.fs.read_range(path, end_at, size - end_at) if size > end_at else b""
                # Without one its process died before the header was whole, and no text was shown.
                if newline:
                    gone_bytes = end_at - len(begin)
                    found.append(LeftDraft(_name_in(path), header, content, end, gone_bytes))
        except OSError as error:
            words = f"the drafts of {stream} cannot be read, and were left as they are"
            raise store_failed(words, error) from error
        return found

    def drop_left(self, stream: str) -> None:
        """Remove those; the next process finds any that stays. Blocks. Raises: OSError."""
        for _, path in self._left_files(stream):
            unlink_if_there(self.fs, path)
        if stream not in self._live:
            self.forget(stream)

    def drop_all(self, stream: str) -> None:
        """Remove all drafts of a stream that is deleted. Raises: StoreFailed."""
        for draft in list(self._live.get(stream, {}).values()):
            draft.drop()
        try:
            self.drop_left(stream)
        except OSError as error:
            words = f"stream {stream} was deleted, and its drafts could not be"
            raise store_failed(words, error, retry=False) from error

    def forget(self, stream: str) -> None:
        """Remove an empty folder, and forget the stream."""
        if stream not in self._live:
            self._numbers.pop(stream, None)
            # A folder that stays costs nothing, and the next call tries again.
            with suppress(OSError):
                remove_folder_if_empty(self.fs, f"{self._layout.drafts}/{stream}")

    def release(self) -> None:
        """Close all files: the store closes."""
        for live in self._live.values():
            for draft in live.values():
                draft.release()

    def _left_files(self, stream: str) -> list[tuple[int, str]]:
        check_name(stream, "stream")
        live = self._live.get(stream, {})
        return [row for row in self._files(stream) if row[1] not in live]

    def _files(self, stream: str) -> list[tuple[int, str]]:
        return sorted(
            (number, path) for number, path, is_folder in self._rows(stream) if not is_folder
        )

    def _rows(self, stream: str) -> Iterator[tuple[int, str, bool]]:
        folder = f"{self._layout.drafts}/{stream}"
        for row in self.fs.entries(folder):
            found = _FILE.fullmatch(row.name)
            if found:
                yield int(found[1]), f"{folder}/{row.name}", row.is_folder


def _name_in(path: str) -> str:
    """The name of a draft in that of its file."""
    return path.rpartition("/")[2].partition("-")[2]
