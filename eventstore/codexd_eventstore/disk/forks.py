"""The children of each stream, so that no stream is deleted or rewritten while children share its records.

Law: while a stream is frozen, no fork of it is made, and forks that were being made have been finished.

Forks of this process are known; earlier ones are found by reading the first bytes of every log, once
and in a thread, at the first use (20 µs a log).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from codexd_eventstore.disk.files import FileSystem, reading
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.format.lines import Origin
from codexd_eventstore.format.preface import Start, start_of


class Forks:
    """The children of each stream, as far as they are known."""

    def __init__(self, fs: FileSystem, layout: Layout) -> None:
        self._fs = fs
        self._layout = layout
        self._children: dict[str, dict[str, Origin]] = {}  # by parent
        self._born: dict[str, int] = {}  # by parent: how many forks are being made
        self._still: set[str] = set()
        self._changed = trio.lowlevel.ParkingLot()
        self._is_complete = False

    @asynccontextmanager
    async def forking(self, parent: str) -> AsyncIterator[None]:
        """Held while a fork is made; waits while the parent is frozen."""
        while parent in self._still:
            await self._changed.park()
        self._born[parent] = self._born.get(parent, 0) + 1
        try:
            yield
        finally:
            self._born[parent] -= 1
            if not self._born[parent]:
                del self._born[parent]
            self._changed.unpark_all()

    @asynccontextmanager
    async def frozen(self, stream: str) -> AsyncIterator[None]:
        """Held while a stream's file is deleted or rewritten; taken before the stream's gate."""
        while stream in self._still:
            await self._changed.park()
        self._still.add(stream)
        try:
            while stream in self._born:
                await self._changed.park()
            yield
        finally:
            self._still.discard(stream)
            self._changed.unpark_all()

    def add(self, child: str, origin: Origin) -> None:
        self._children.setdefault(origin.stream, {})[child] = origin

    def forget(self, child: str) -> None:
        """Remember no parent of a stream: it was detached, or it is gone."""
        for children in list(self._children.values()):
            children.pop(child, None)

    def learn(self, child: str) -> None:
        """Read again from which stream a stream was forked. Blocks."""
        for path, _ in self._layout.either(child):
            self._look_into(child, path)

    def children(self, stream: str) -> dict[str, Origin]:
        """The existing forks of a stream, with their fork points. Blocks."""
        if not self._is_complete:
            for archived in (False, True):
                for child, path, _ in list(self._layout.logs(archived=archived)):
                    self._look_into(child, path)
            self._is_complete = True
        known = list(self._children.get(stream, {}).items())
        return {child: origin for child, origin in known if self._is_there(child)}

    def leaving(self, stream: str) -> list[tuple[int, int]]:
        """The `seq` and checksum of the fork point of each descendant that shares records of a stream. Blocks.

        A grandchild that was forked before its parent's own records shares records of this stream too.
        """
        found: list[tuple[int, int]] = []
        seen = {stream}
        waiting: list[tuple[str, int | None]] = [(stream, None)]
        while waiting:
            name, last = waiting.pop()
            for child, origin in self.children(name).items():
                if child not in seen and (last is None or origin.seq <= last):
                    seen.add(child)
                    found.append((origin.seq, origin.chain))
                    waiting.append((child, origin.seq))
        return found

    def _look_into(self, child: str, path: str) -> None:
        try:
            origin = read_start(self._fs, path, child).origin
        except FileNotFoundError:
            return  # it was moved or removed meanwhile; a fork made meanwhile is registered
        if origin is not None:
            self.add(child, origin)

    def _is_there(self, child: str) -> bool:
        return any(self._fs.state(path) is not None for path, _ in self._layout.either(child))


def read_start(fs: FileSystem, path: str, stream: str) -> Start:
    """The beginning of a file, by its path. Raises: OSError."""
    with reading(fs, path) as fd:
        return start_of(lambda start, size: fs.read(fd, start, size), stream)
