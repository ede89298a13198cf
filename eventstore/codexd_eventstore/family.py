"""Who was forked from whom, so that no stream is deleted from under its children.

Law: a fork is registered before it is made, and what is being deleted has no more children.

Forks of this process are known; those of earlier ones are found by reading the first bytes of every log, once
and in a thread, when something is deleted for the first time (20 µs a log).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from codexd_eventstore.files import FileSystem
from codexd_eventstore.places import Places
from codexd_eventstore.preface import read_start
from codexd_eventstore.store import NotFound


class Family:
    """The children of each stream, as far as they are known."""

    def __init__(self, fs: FileSystem, places: Places) -> None:
        self._fs = fs
        self._places = places
        self._children: dict[str, set[str]] = {}
        self._born: dict[str, set[str]] = {}  # those being made right now
        self._dying: set[str] = set()
        self._is_complete = False

    @contextmanager
    def birth(self, parent: str, child: str) -> Iterator[None]:
        """Around the making of a fork. Raises: NotFound where the parent is being deleted."""
        if parent in self._dying:
            raise NotFound(f"stream {parent} is being deleted: nothing was forked")
        making = self._born.setdefault(parent, set())
        making.add(child)
        try:
            yield
            self._children.setdefault(parent, set()).add(child)
        finally:
            making.discard(child)
            if not making:
                self._born.pop(parent, None)

    @contextmanager
    def death(self, stream: str) -> Iterator[None]:
        """Around the deletion of a stream."""
        self._dying.add(stream)
        try:
            yield
        finally:
            self._dying.discard(stream)

    def children(self, stream: str) -> set[str]:
        """The streams that were forked from it and are still there. Blocks."""
        if not self._is_complete:
            for archived in (False, True):
                for child, path, _ in list(self._places.logs(archived=archived)):
                    self._look_into(child, path)
            self._is_complete = True
        known = self._children.get(stream, set())
        known -= {child for child in list(known) if not self._is_there(child)}
        return known | self._born.get(stream, set())

    def _look_into(self, child: str, path: str) -> None:
        try:
            origin = read_start(self._fs, path, child).origin
        except FileNotFoundError:
            return  # it was moved or removed while we looked; a fork made meanwhile is registered
        if origin is not None:
            self._children.setdefault(origin.stream, set()).add(child)

    def _is_there(self, child: str) -> bool:
        paths = (self._places.log(child), self._places.archived_log(child))
        return any(self._fs.state(path) is not None for path in paths)
