"""Following a stream: one loop over what is there, and a wake-up for what comes. No live phase, so no seam.

Law: a follower is a position. It holds nothing of the stream, nobody waits for it, and it misses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import trio

from codexd_eventstore.store import NotFound, Record, StoreFailed


class Followed(Protocol):
    """An open stream as a follower sees it."""

    @property
    def version(self) -> int:
        """The last record that can be seen."""

    @property
    def failed(self) -> StoreFailed | None:
        """Why nothing will come any more."""

    @property
    def deleted(self) -> bool:
        """Whether it is deleted."""

    @property
    def followers(self) -> trio.lowlevel.ParkingLot:
        """The place to wait: all waiters are woken when any of these has changed."""


class CatchUpSource(Protocol):
    """An engine, as a follower sees it."""

    async def followed(self, stream: str) -> Followed:
        """The open stream. Raises: NotFound, Damaged, StoreFailed."""

    async def piece(self, stream: str, after: int) -> Sequence[Record]:
        """Some records after `after`, at least one, of a stream that is longer than that."""


class CatchUp:
    """A position in a stream; see `codexd_eventstore.store.Subscription`."""

    def __init__(self, source: CatchUpSource, stream: str, after: int) -> None:
        self._source = source
        self._stream = stream
        self._position = after

    @property
    def position(self) -> int:
        return self._position

    async def receive(self) -> Sequence[Record]:
        while True:
            log = await self._source.followed(self._stream)
            if log.version > self._position:
                records = await self._source.piece(self._stream, self._position)
                self._position = records[-1].seq
                return records
            if log.deleted:
                raise NotFound(f"stream {self._stream} was deleted")
            if log.failed is not None:
                raise StoreFailed(
                    str(log.failed), retry=log.failed.retry, is_full=log.failed.is_full
                )
            await log.followers.park()
