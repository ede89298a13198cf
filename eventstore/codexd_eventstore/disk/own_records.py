"""Which records are the store's own: the key of the store, and the records from before it had a key. I/O.

A store that is older than its key has records without seals. `unsealed.json` has the number of records of each
stream when the key was made: up to there they are the store's own. A detached stream has copies of records that
were written and sealed for another stream; `inherited.json` lists them.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.format.seals import KEY_BYTES, Seals, seal_in
from codexd_eventstore.store import RECORD_BYTES_MAX, StoreFailed

_HEX_KEY: Final = re.compile(rb"[0-9a-f]{%d}\n?" % (2 * KEY_BYTES))
_SEQ: Final = re.compile(rb'\{"seq":([0-9]{1,18}),')
# How much of a log's end is read first: it holds the last record of almost all logs.
_TAIL_BYTES: Final = 16 * 1024


T = TypeVar("T")
Lineage = tuple[tuple[str, int], ...]  # the elders with the last record of each, the oldest first


class _ByStream(Generic[T]):
    """A small file with a value for some streams. Its methods block; several threads may call them."""

    def __init__(self, fs: FileSystem, path: str, kind: type[dict[str, T]]) -> None:
        self._fs, self._path, self._kind = fs, path, kind
        self._known: dict[str, T] | None = None
        self._changing = threading.Lock()

    def read(self) -> dict[str, T]:
        """All values; the file is read once. Raises: StoreFailed."""
        if self._known is None:
            state = self._fs.state(self._path)
            content = (
                b"{}" if state is None else self._fs.read_range(self._path, 0, state.size_bytes)
            )
            try:
                self._known = msgspec.json.decode(content, type=self._kind)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise StoreFailed(f"{self._path} cannot be read: {error}", retry=False) from error
        return self._known

    def forget(self, stream: str) -> None:
        """Forget a deleted stream; a later stream of its name is another stream."""
        with self._changing:
            if stream in self.read():
                self._write({name: value for name, value in self.read().items() if name != stream})

    def _set(self, stream: str, value: T) -> None:
        with self._changing:
            if self.read().get(stream) != value:
                self._write(self.read() | {stream: value})

    def _write(self, known: dict[str, T]) -> None:
        _put(self._fs, self._path, msgspec.json.encode(known, order="sorted"))
        self._known = known


class Unsealed(_ByStream[int]):
    """How many records without a seal are the store's own, by stream."""

    def __init__(self, fs: FileSystem, path: str) -> None:
        super().__init__(fs, path, dict[str, int])

    def upto(self, stream: str, lineage: Iterable[tuple[str, int]]) -> int:
        """The last record of a stream that needs no seal; `lineage` are its ancestors."""
        known = self.read()
        shared = (min(known.get(elder, 0), end) for elder, end in lineage)
        return max(known.get(stream, 0), *shared, 0)

    def inherit(self, stream: str, lineage: Iterable[tuple[str, int]]) -> None:
        """A stream is about to get copies of its inherited records."""
        upto = self.upto(stream, lineage)
        if upto:
            self._set(stream, upto)

    def begin(self, logs: Iterable[tuple[str, str, int]]) -> None:
        """Count the records of a store that has had no key: by stream, path and size."""
        counted = {stream: _last_seq(self._fs, path, size) for stream, path, size in logs}
        self._write({stream: upto for stream, upto in counted.items() if upto})


class Inherited(_ByStream[Lineage]):
    """The lineage of the copies in each detached stream.

    It is not stored in the log, where the sender of a log could forge it.
    """

    def __init__(self, fs: FileSystem, path: str) -> None:
        super().__init__(fs, path, dict[str, Lineage])

    def through(self, stream: str, lineage: Iterable[tuple[str, int]]) -> Lineage:
        """A stream's lineage, including the lineages from before it or an ancestor was detached."""
        known, elders = self.read(), list[tuple[str, int]]()
        for name, end in lineage:
            elders += [(elder, min(last, end)) for elder, last in known.get(name, ())]
            elders.append((name, end))
        return (*elders, *known.get(stream, ()))

    def inherit(self, stream: str, lineage: Iterable[tuple[str, int]]) -> None:
        """A stream is about to get copies of its inherited records."""
        elders = self.through(stream, lineage)
        if elders:
            self._set(stream, elders)


def _last_seq(fs: FileSystem, path: str, size: int) -> int:
    """The number of the last whole record; 0 if it has a seal, which means that another store wrote it."""
    tail = _TAIL_BYTES
    while True:
        lines = fs.read_range(path, max(size - tail, 0), tail).split(b"\n")
        for line in reversed(lines[1 if tail < size else 0 : -1]):
            found = _SEQ.match(line)
            if found is not None and line.endswith(b'"}'):
                return 0 if seal_in(line) else int(found[1])
        if tail >= size or tail > 2 * RECORD_BYTES_MAX:
            return 0
        tail *= 8


def _put(fs: FileSystem, path: str, content: bytes) -> None:
    """Write a file atomically, and sync it."""
    beside = f"{path}.new"
    if fs.state(beside) is not None:
        fs.unlink(beside)
    fd = fs.create(beside)
    try:
        fs.write(fd, content)
        fs.sync(fd)
    finally:
        fs.close(fd)
    fs.rename(beside, path)
    fs.sync_folder(path.rpartition("/")[0])


def take_seals(fs: FileSystem, layout: Layout, unsealed: Unsealed, *, is_older: bool) -> Seals:
    """The store's seals; its key is made if it has none. Blocks.

    Args:
        is_older: whether the store existed before: then the records in its logs are its own.

    Raises: StoreFailed.
    """
    path = f"{layout.root}/seal.key"
    if fs.state(path) is None:
        logs = _logs(layout) if is_older else ()
        unsealed.begin(logs)
        _put(fs, path, os.urandom(KEY_BYTES).hex().encode() + b"\n")
    text = fs.read_range(path, 0, 4 * KEY_BYTES)
    if not _HEX_KEY.fullmatch(text):
        raise StoreFailed(
            f"{path}: expected a key of {2 * KEY_BYTES} hex digits, found something else: the store was"
            " not opened. Put it back from a backup; without it (remove the file) what the logs allowed"
            " is allowed no more",
            retry=False,
        )
    return Seals(bytes.fromhex(text.decode()))


def _logs(layout: Layout) -> Sequence[tuple[str, str, int]]:
    return [
        (stream, path, row.size_bytes)
        for archived in (False, True)
        for stream, path, row in layout.logs(archived=archived)
    ]
