"""The notifications of one thread to its followers.

A follower is live or lagging. A live follower gets each frame as soon as it is made; all followers share one
frame. A follower whose socket did not take the last frame is lagging: only the client projection at its
position is kept for it. When its socket takes more it catches up from the log and the drafts, where many deltas become
one, and then it is live again. There is no queue between a thread and its followers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from codexd.core.events.events import ThreadStarted
from codexd.core.events.history import ReviewExited
from codexd.core.events.record import Recorded, decode_record
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ApprovalId, CallId, ItemId, ThreadId
from codexd.core.values.model_output import ItemKind
from codexd.projections.clients.deltas import EncodedMessage, Outgoing, TextPart, Texts
from codexd.projections.clients.notifications import ApprovalAsked, ClientProjection, ServerMessage
from codexd.projections.clients.review import ReviewProjection
from codexd.projections.usage.totals import Usage
from codexd.protocol.notifications import ThreadClosedNotification, ThreadStatusChangedNotification
from codexd.protocol.threads import NotLoaded
from codexd.runtime.actor.actor import ThreadActor
from codexd.server.feed.follower import Follower
from codexd.server.feed.frames import (
    Frame,
    Questions,
    Reader,
    parts_of,
    parts_of_event,
    question,
    unasked,
)
from codexd.server.feed.outbox import CHUNK_BYTES_MAX, Outbox
from codexd.server.feed.reviews import ReviewCatchUp, RunningReviews
from codexd.server.feed.storage_status import StorageStatus, notifications
from codexd.server.feed.thread_view import status_of
from codexd.server.reads.answer_size import ENTRIES_BYTES_MAX
from codexd.server.reads.images import Urls, messages_with_images, names_to_show


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


class Feed:
    """The audience of one thread."""

    def __init__(
        self,
        thread_id: ThreadId,
        broadcast: Broadcast,
        questions: Questions,
        now_ms: Callable[[], int],
    ) -> None:
        self.thread_id = thread_id
        self._broadcast, self._questions, self._now_ms = broadcast, questions, now_ms
        self._wire = ClientProjection(thread_id, Usage())
        self._thread: ThreadActor | None = None
        self._followers: dict[Follower, None] = {}
        self._seq = 0
        self._trouble: StorageStatus | None = None
        self._reviews_of: ThreadId | None = None  # for a reviewer's thread: the thread under review

    @property
    def watched(self) -> bool:
        """Whether the thread has a follower."""
        return bool(self._followers)

    @property
    def thread(self) -> ThreadActor | None:
        return self._thread

    @property
    def reviewer(self) -> ThreadId | None:
        """The thread of the reviewer that this thread waits for."""
        return self._wire.review.child_id if self._wire.review is not None else None

    def bind(self, thread: ThreadActor) -> None:
        """This actor is about to load the thread."""
        self._thread = thread

    def loaded(self, state: ThreadState, turn_so_far: Sequence[Recorded]) -> None:
        """The thread was loaded from its log; no follower gets an event again."""
        wire = ClientProjection(self.thread_id, self._actor.folds.usage)
        wire.start_at(state, turn_so_far)
        self.lag_all()
        self._wire, self._seq = wire, self._actor.version
        self.open_texts(wire.texts)  # What the daemon before has shown is no news.
        if state.reviews is not None and state.turn is not None:
            review_projection = ReviewProjection(self.thread_id, state.reviews)
            review_projection.start_at(state, turn_so_far, self._seq)
            self._attach_review(review_projection)
        for asks in wire.asks.values():
            self._questions.number(self.thread_id, asks.approval_id)
        for follower in self._followers:
            follower.asked.clear()  # What they were asked was in the memory of the previous actor.
        self._tell_trouble(None)

    def lag_all(self) -> None:
        """Make every follower lag: the next event does not follow on what was sent."""
        for follower in self._followers:
            self.lag(follower)
            follower.outbox.write_later(follower)

    def lag(self, follower: Follower) -> None:
        """Make one lag, if it is live."""
        if follower.lagging is None:
            follower.start_lagging(self._wire.copy(), self._seq, self._place_in_review())

    def gone(self, reason: str | None) -> None:
        """The actor is gone. Its followers stay: they get more when the thread is loaded again."""
        if reason is not None:
            self._tell_trouble(StorageStatus("stopped", reason))
        self._thread = None
        self._forget_unneeded()

    def stalled(self, reason: str, *, is_full: bool) -> None:
        """Nothing can be written, and what must be recorded waits; `is_full`: for space."""
        self._tell_trouble(StorageStatus("waits", reason, is_full))

    def unstalled(self) -> None:
        """There is space again."""
        self._tell_trouble(None)

    def unloaded(self) -> None:
        """The idle thread without followers was unloaded: all connections get its new status."""
        status = ThreadStatusChangedNotification(thread_id=self.thread_id, status=NotLoaded())
        closed = ThreadClosedNotification(thread_id=self.thread_id)
        messages: list[ServerMessage] = [
            Outgoing("thread/status/changed", status, to_all=True),
            Outgoing("thread/closed", closed, to_all=True),
        ]
        self._publish(messages, self._now_ms())
        self._broadcast.reviews.forget(self)

    def appended(self, records: Sequence[Recorded]) -> None:
        """These are in the log."""
        self._mark_lagging()
        parts: list[EncodedMessage] = []
        names = names_to_show(self._wire, records)
        urls = self._actor.world.images.at_hand(names, ENTRIES_BYTES_MAX) if names else {}
        if urls is None:
            self.lag_all()  # Images are read from disk when they catch up.
            urls = {}
        for recorded in records:
            messages: list[ServerMessage] = []
            if isinstance(recorded.event, ReviewExited):
                messages += self._broadcast.reviews.end(self.thread_id, recorded.at_ms)
            elif isinstance(recorded.event, ThreadStarted) and recorded.event.reviews is not None:
                self._attach_review(ReviewProjection(self.thread_id, recorded.event.reviews))
            messages += messages_with_images(self._wire.apply(recorded), urls)
            if messages:
                parts += parts_of_event(messages, self.thread_id, recorded, self._questions)
        self._seq = records[-1].seq
        self._publish_parts(parts)
        if self._reviews_of is not None:
            self._publish_review(lambda to: to.apply_all(records), records[-1].at_ms)

    def opened(self, item_id: ItemId, kind: ItemKind, started_ms: int) -> None:
        """An item begins to stream."""
        self._mark_lagging()
        self._publish(self._wire.texts.opened(item_id, kind, started_ms), started_ms)
        if self._reviews_of is not None:
            self._publish_review(lambda to: to.opened(item_id, kind, started_ms), started_ms)

    def text(self, item_id: ItemId, part: TextPart, index: int, pieces: Sequence[str]) -> None:
        """More of an item's text is in its draft."""
        now = self._now_ms()
        self._stream(lambda texts: texts.text(item_id, part, index, pieces, now), now)

    def output(self, call_id: CallId, text: str) -> None:
        """More of a command's output is in its draft."""
        now = self._now_ms()
        self._stream(lambda texts: texts.output(call_id, text, now), now)

    def _stream(self, say: Callable[[Texts], Sequence[ServerMessage]], at_ms: int) -> None:
        """Send deltas to the followers, and to those of the thread under review."""
        self._mark_lagging()
        self._publish(say(self._wire.texts), at_ms)
        if self._reviews_of is not None:
            self._publish_review(lambda to: say(to.texts), at_ms)

    def publish_review(self, say: Callable[[], Sequence[ServerMessage]], at_ms: int) -> None:
        """Send the notifications of this thread's reviewer to the followers."""
        self._mark_lagging()
        self._publish(say(), at_ms)

    def _attach_review(self, review_projection: ReviewProjection) -> None:
        self._reviews_of = review_projection.reviews.thread_id
        self._broadcast.reviews.begin(review_projection, self)

    def _publish_review(
        self, say: Callable[[ReviewProjection], Sequence[ServerMessage]], at_ms: int
    ) -> None:
        assert self._reviews_of is not None
        self._broadcast.reviews.publish(self._reviews_of, self, say, at_ms)

    def follow(self, reader: Reader, outbox: Outbox) -> Follower:
        """A new follower, live from now on. It first gets the open items with their texts, and the open questions.

        No checkpoint may lie between the snapshot that it was given and this call.
        """
        follower = Follower(self, reader, outbox, self._now_ms())
        self._followers[follower] = None
        messages = [
            *self._wire.open_items(),
            *self.open_texts(self._wire.texts.unsent()),
            *self._usage_so_far(),
        ]
        self._tell(follower, messages)
        self._tell_of_trouble(follower)
        if self._wire.review is not None:
            follower.start_lagging(self._wire.copy(), self._seq)
        return follower

    def follow_from(
        self, reader: Reader, outbox: Outbox, seq: int, wire: ClientProjection
    ) -> Follower:
        """A follower that resumes: `wire` is the projection at `seq`, its position."""
        follower = Follower(self, reader, outbox, self._now_ms())
        self._followers[follower] = None
        follower.start_lagging(wire, seq)
        self._tell_of_trouble(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        self._followers.pop(follower, None)
        follower.outbox.forget(follower)
        self._forget_unneeded()

    async def catch_up(self, follower: Follower, outbox: Outbox) -> bool:
        """Write up to a chunk to a lagging follower; returns whether it is live again."""
        wire = follower.lagging
        thread = self._thread
        if wire is None or thread is None or follower not in self._followers:
            return True  # Without an actor it keeps its position until the thread is loaded again.
        catch_up = ReviewCatchUp(follower, self.thread_id, self._broadcast.reviews, self._questions)
        written = 0
        while follower.seq < thread.version or catch_up.is_behind:
            if follower.seq == thread.version:
                if not await catch_up.catch_up(thread, whole=False):
                    return False
                if self._thread is not thread:
                    return True
                continue
            page = await thread.world.store.read(self.thread_id, after=follower.seq, limit=64)
            if self._thread is not thread:
                return True  # As above: it was unloaded, or loaded again, while we read.
            for record in page:
                if record.seq > thread.version:
                    break  # On disk and not yet published: this follower will get it with the others.
                if record.type == ReviewExited.type and not await catch_up.catch_up(
                    thread, whole=True
                ):
                    return False
                recorded = decode_record(record.line)
                names = names_to_show(wire, [recorded])
                urls = await thread.world.images.fetch(names, ENTRIES_BYTES_MAX) if names else {}
                if self._thread is not thread or follower not in self._followers:
                    return True
                written += self._catch_up_on(follower, wire, recorded, urls)
            if written > CHUNK_BYTES_MAX:
                return False
        # From here to the return there is no checkpoint: nothing can happen in between.
        self._tell(follower, self._not_in_logs(follower, wire))
        follower.lagging = follower.review = None
        return True

    def _not_in_logs(self, follower: Follower, wire: ClientProjection) -> list[ServerMessage]:
        """The messages to live followers that are in no log."""
        messages = self.open_texts(wire.texts)
        running = self._broadcast.reviews.running(self.thread_id)
        if running is not None and follower.review is not None:
            messages += running.feed.open_texts(follower.review.texts, without="message")
        return messages if wire.tells_usage else messages + self._usage_so_far()

    def _catch_up_on(
        self, follower: Follower, wire: ClientProjection, recorded: Recorded, urls: Urls
    ) -> int:
        """Write one event to the follower; returns the number of bytes."""
        messages = messages_with_images(wire.apply(recorded), urls)
        follower.seq = recorded.seq
        parts = parts_of_event(messages, self.thread_id, recorded, self._questions, replay=True)
        return follower.take(Frame(parts))

    def open_texts(self, texts: Texts, *, without: ItemKind | None = None) -> list[ServerMessage]:
        """The part of the texts that stream now that `texts` does not have yet."""
        now, messages = self._now_ms(), list[ServerMessage]()
        streaming = self._actor.streaming
        for item in streaming.items.values():
            if not item.begun or item.kind == without:
                continue
            if item.item_id not in texts:
                messages += texts.opened(item.item_id, item.kind, item.started_ms)
            for part, index, text in item.texts():
                messages += texts.rest(item.item_id, part, index, text, now)
        for output in streaming.outputs.values():
            messages += texts.output_rest(output.call_id, output.text(), now)
        return messages

    def _usage_so_far(self) -> list[ServerMessage]:
        return [self._wire.token_usage()] if self._actor.folds.usage.last.total_tokens else []

    def _forget_unneeded(self) -> None:
        if self._thread is None and not self._followers:
            self._broadcast.forget(self.thread_id)

    def _mark_lagging(self) -> None:
        """Before a new frame: followers whose socket is still full start to lag."""
        for follower in self._followers:
            if not follower.outbox.idle:
                self.lag(follower)

    def _place_in_review(self) -> ReviewProjection | None:
        running = self._broadcast.reviews.running(self.thread_id)
        return running.review_projection.copy() if running is not None else None

    @property
    def _asks(self) -> Mapping[ApprovalId, ApprovalAsked]:
        if self._wire.review is None:
            return self._wire.asks
        return self._wire.asks | self._broadcast.reviews.asks(self.thread_id)

    def _publish(self, messages: Sequence[ServerMessage], at_ms: int) -> None:
        if messages and self._broadcast.any:
            self._publish_parts(self._parts(messages, at_ms, self._seq))

    def _publish_parts(self, parts: Sequence[EncodedMessage]) -> None:
        if not parts or not self._broadcast.any:
            return
        frame, asks = Frame(parts), self._asks
        for follower in self._followers:
            if follower.lagging is None:
                follower.take(frame)
                if asks or follower.asked:
                    follower.asked = set(asks)  # Those that are settled need not be known any more.
        to_all = frame.to_all() if self._reviews_of is None else None  # No list has a reviewer's.
        if to_all is not None:
            self._broadcast.tell(to_all, self.thread_id)

    def _tell(self, follower: Follower, messages: Sequence[ServerMessage]) -> None:
        """Write to one follower, with the questions that it was not asked yet."""
        parts = self._parts(messages, self._now_ms(), self._seq)
        for approval_id, asks in self._asks.items():
            if approval_id not in follower.asked:
                follower.asked.add(approval_id)
                parts.append(question(asks, self.thread_id, self._questions))
        parts += unasked(self._questions, self.thread_id, follower.elicited)
        follower.take(Frame(parts))

    def _tell_trouble(self, trouble: StorageStatus | None) -> None:
        self._trouble = trouble
        to_all: Frame | None = None
        for follower in self._followers:
            to_all = self._tell_of_trouble(follower) or to_all
        if to_all is not None:
            self._broadcast.tell(to_all, self.thread_id)

    def _tell_of_trouble(self, follower: Follower) -> Frame | None:
        """Send the storage status to a follower, live or lagging; returns the part for all connections."""
        if follower.trouble == self._trouble:
            return None
        follower.trouble = self._trouble
        status = status_of(
            self._thread.state if self._thread is not None else None,
            reviewer_asks=self._broadcast.reviews.is_asking(self.thread_id),
        )
        messages = notifications(self._trouble, self.thread_id, self._wire.turn_id, status)
        seq = self._seq if follower.lagging is None else follower.seq
        frame = Frame(self._parts(messages, self._now_ms(), seq))
        follower.take(frame)
        return frame.to_all()

    def _parts(
        self, messages: Sequence[ServerMessage], at_ms: int, seq: int
    ) -> list[EncodedMessage]:
        return parts_of(messages, self.thread_id, at_ms, self._questions, seq=seq)

    @property
    def _actor(self) -> ThreadActor:
        assert self._thread is not None, f"thread {self.thread_id} has no actor"
        return self._thread
