"""The connections and running reviews, for the feeds of threads."""

from __future__ import annotations

from typing import Protocol

from codexd.core.values.ids import ThreadId
from codexd.server.feed.frames import Frame
from codexd.server.feed.reviews import RunningReviews


class Broadcast(Protocol):
    """All connections: for what concerns also those that do not follow the thread."""

    def tell(self, frame: Frame, thread_id: ThreadId) -> None:
        """Send a frame to every connection that does not follow the thread."""

    @property
    def any(self) -> bool:
        """Whether there is a connection."""

    def forget(self, thread_id: ThreadId) -> None:
        """Drop the feed of a thread that is not loaded and has no follower."""

    @property
    def reviews(self) -> RunningReviews:
        """The reviews that run."""
