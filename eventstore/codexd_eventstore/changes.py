"""Notifies listeners of changed streams: one set of names for each listener, so that a slow listener needs no queue.

Law: a notification costs the same however often a stream changes and however long a listener does not look. A name in
the set is a hint where to look and never a position.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class ChangeListener:
    """The changes that a listener has not received yet."""

    def __init__(self) -> None:
        self.streams: set[str] = set()
        self.waiting = trio.lowlevel.ParkingLot()

    async def receive(self) -> frozenset[str]:
        """The streams that changed since the last call; waits until there is one."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self.streams:
            await self.waiting.park()
        changed = frozenset(self.streams)
        self.streams.clear()
        return changed


class ChangeHub:
    """The listeners of one store."""

    def __init__(self) -> None:
        self._listeners: list[ChangeListener] = []

    def tell(self, stream: str) -> None:
        """A stream was appended to, made, moved, rewritten or removed."""
        for listener in self._listeners:
            listener.streams.add(stream)
            listener.waiting.unpark_all()

    @contextmanager
    def listening(self) -> Iterator[ChangeListener]:
        """Hear what changes, for as long as the context lasts."""
        listener = ChangeListener()
        self._listeners.append(listener)
        try:
            yield listener
        finally:
            self._listeners.remove(listener)
