"""One connection that follows one thread: its position, and how frames are written to it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

from codexd.projections.clients.notifications import ClientProjection
from codexd.projections.clients.review import ReviewProjection
from codexd.server.feed.frames import Frame, Reader
from codexd.server.feed.outbox import Outbox
from codexd.server.feed.storage_status import StorageStatus


class FollowedFeed(Protocol):
    """The feed that a follower follows."""

    async def catch_up(self, follower: Follower, outbox: Outbox) -> bool:
        """Give a lagging follower up to a chunk; whether it is live again."""

    def lag(self, follower: Follower) -> None:
        """Make it lag, if it is live."""

    def leave(self, follower: Follower) -> None:
        """It does not follow any more."""


class Follower:
    """One connection's place in one thread."""

    def __init__(
        self, feed: FollowedFeed, reader: Reader, outbox: Outbox, since_ms: int = 0
    ) -> None:
        self.feed, self.reader, self.outbox = feed, reader, outbox
        self.since_ms = since_ms  # when its client attached
        self.lagging: ClientProjection | None = None  # the fold at its place; None: it is live
        self.seq = 0  # its position, where it is lagging
        self.review: ReviewProjection | None = None  # its position in a review, if there is one
        self.asked: set[str] = set()  # the approvals that it was asked for
        # The questions of MCP servers that it was asked, by request id.
        self.elicited: set[int] = set()
        self.trouble: StorageStatus | None = None  # the storage status that it was sent

    def take(self, frame: Frame) -> int:
        """Write a frame; how many bytes it was."""
        wire = frame.framed(self.reader)
        if wire:
            self.outbox.write(wire)
        return len(wire)

    def start_lagging(
        self, wire: ClientProjection, seq: int, review: ReviewProjection | None = None
    ) -> None:
        """Its socket is full: remember its place."""
        self.lagging, self.seq, self.review = wire, seq, review
        self.outbox.write_later(self)

    def hold(self) -> Callable[[], None]:
        """Tell it nothing of what happens from here on, until the function that this returns is called."""
        self.feed.lag(self)
        self.outbox.hold(self)
        return functools.partial(self.outbox.release, self)

    async def catch_up(self, outbox: Outbox) -> bool:
        """Write up to a chunk of what it has missed; whether it is live again."""
        return await self.feed.catch_up(self, outbox)
