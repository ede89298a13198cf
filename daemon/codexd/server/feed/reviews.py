"""The running reviews: which thread reviews which, and how followers of the reviewed thread see it.

A reviewer's thread has a feed like any other, with or without followers. Its notifications are passed on to
the feed of the thread under review, for as long as that thread waits for this reviewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from codexd.core.decide.transition import Transition
from codexd.core.events.record import Recorded, decode_record
from codexd.core.values.ids import ApprovalId, ThreadId
from codexd.core.values.model_output import ItemKind
from codexd.core.values.review_target import ReviewOf
from codexd.projections.clients.deltas import Texts
from codexd.projections.clients.notifications import ApprovalAsked, ServerMessage
from codexd.projections.clients.review import ReviewProjection
from codexd.runtime.actor.actor import ThreadActor
from codexd.server.feed.follower import Follower
from codexd.server.feed.frames import Frame, Questions, parts_of
from codexd.server.feed.outbox import CHUNK_BYTES_MAX
from codexd_eventstore.store import NotFound

# Records of a reviewer's log read at a time, for a lagging follower.
PAGE_RECORDS = 64


class ReviewedFeed(Protocol):
    """The feed of a thread, as far as a review needs it: a reviewer's, or that of the thread under review."""

    @property
    def thread(self) -> ThreadActor | None:
        """The thread, if it is loaded."""

    @property
    def reviewer(self) -> ThreadId | None:
        """The thread of the reviewer that this thread waits for."""

    def lag_all(self) -> None:
        """Make all followers catch up before they get more."""

    def publish_review(self, say: Callable[[], Sequence[ServerMessage]], at_ms: int) -> None:
        """Send the notifications of this thread's reviewer to the followers."""

    def open_texts(self, sent: Texts, *, without: ItemKind | None = None) -> list[ServerMessage]:
        """The part of the open texts that `sent` does not have yet."""


class RunningReview(NamedTuple):
    """A running review: its projection, and the feed of the reviewer's thread."""

    review_projection: ReviewProjection
    feed: ReviewedFeed


class RunningReviews:
    """All running reviews, by the thread under review."""

    def __init__(self, feed_of: Callable[[ThreadId], ReviewedFeed | None]) -> None:
        self._feed_of = feed_of
        self._running: dict[ThreadId, RunningReview] = {}

    def begin(self, review_projection: ReviewProjection, feed: ReviewedFeed) -> None:
        """A reviewer has started, or was resumed."""
        thread_id = review_projection.reviews.thread_id
        reviewed = self._feed_of(thread_id)
        if reviewed is not None and review_projection.seq:
            reviewed.lag_all()
        self._running[thread_id] = RunningReview(review_projection, feed)

    def running(self, thread_id: ThreadId) -> RunningReview | None:
        """The reviewer that this thread waits for."""
        review, reviewed = self._running.get(thread_id), self._feed_of(thread_id)
        if (
            review is None
            or reviewed is None
            or reviewed.reviewer != review.review_projection.child_id
        ):
            return None
        return review

    def asks(self, thread_id: ThreadId) -> dict[ApprovalId, ApprovalAsked]:
        """The open questions of its reviewer."""
        review = self.running(thread_id)
        return review.review_projection.asks if review is not None else {}

    def is_asking(self, thread_id: ThreadId) -> bool:
        """Whether its reviewer waits for an answer."""
        return bool(self.asks(thread_id))

    def publish(
        self,
        thread_id: ThreadId,
        feed: ReviewedFeed,
        say: Callable[[ReviewProjection], Sequence[ServerMessage]],
        at_ms: int,
    ) -> None:
        """Pass on the notifications of a reviewer's feed."""
        review = self._running.get(thread_id)
        if review is None or review.feed is not feed:
            return
        if self.running(thread_id) is None:
            say(review.review_projection)
            return
        reviewed = self._feed_of(thread_id)
        assert reviewed is not None
        reviewed.publish_review(lambda: say(review.review_projection), at_ms)

    def end(self, thread_id: ThreadId, at_ms: int) -> list[ServerMessage]:
        """The review is over: close the reviewer's open items and questions for the thread's followers."""
        review = self._running.pop(thread_id, None)
        thread = review.feed.thread if review is not None else None
        if review is None or thread is None or thread.state.turn is None:
            return []
        transition = Transition(thread.state)
        transition.interrupt(thread.streaming.frozen(), "interrupted")
        messages: list[ServerMessage] = []
        for seq, event in enumerate(transition.events, review.review_projection.seq + 1):
            messages += review.review_projection.apply(Recorded(seq, at_ms, event, None, None))
        return messages

    def forget(self, feed: ReviewedFeed) -> None:
        """The reviewer's thread is loaded no more."""
        for thread_id, review in list(self._running.items()):
            if review.feed is feed:
                del self._running[thread_id]


class ReviewCatchUp:
    """A lagging follower's catch-up on a review."""

    def __init__(
        self,
        follower: Follower,
        thread_id: ThreadId,
        reviews: RunningReviews,
        questions: Questions,
    ) -> None:
        self._follower, self._thread_id = follower, thread_id
        self._reviews, self._questions = reviews, questions

    @property
    def is_behind(self) -> bool:
        """Whether the follower has less of the review than was published."""
        review_projection, review = self._place(), self._reviews.running(self._thread_id)
        return (
            review_projection is not None
            and review is not None
            and review_projection.seq < review.review_projection.seq
        )

    async def catch_up(self, thread: ThreadActor, *, whole: bool) -> bool:
        """Send the follower what it lacks, from the reviewer's log; False where a chunk was not enough.

        `whole`: the review is over, and the whole log was published.
        """
        review_projection, written = self._place(), 0
        while review_projection is not None and (whole or self.is_behind):
            try:
                page = await thread.world.store.read(
                    review_projection.child_id, after=review_projection.seq, limit=PAGE_RECORDS
                )
            except NotFound:
                return True  # It was deleted, or never began.
            review = self._reviews.running(self._thread_id)
            for record in page:
                if not whole and (review is None or record.seq > review.review_projection.seq):
                    return True  # On disk and not yet published.
                recorded = decode_record(record.line)
                messages = review_projection.apply(recorded)
                parts = parts_of(
                    messages,
                    review_projection.reviews.thread_id,
                    recorded.at_ms,
                    self._questions,
                    seq=self._follower.seq,
                    replay=True,
                )
                written += self._follower.take(Frame(parts))
            if not page:
                return True
            if written > CHUNK_BYTES_MAX:
                return False
        return True

    def _place(self) -> ReviewProjection | None:
        """The follower's position in the review that runs at its position in the thread."""
        follower = self._follower
        entered = follower.lagging.review if follower.lagging is not None else None
        if entered is None or entered.child_id is None:
            follower.review = None
        elif follower.review is None or follower.review.child_id != entered.child_id:
            assert follower.lagging is not None
            reviews = ReviewOf(self._thread_id, follower.lagging.turn_id)
            follower.review = ReviewProjection(entered.child_id, reviews)
        return follower.review
