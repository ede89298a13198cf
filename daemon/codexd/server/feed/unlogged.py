"""Messages to the followers of a thread that are in no log: progress of calls, and questions within calls.

A question is asked of all who follow the call's thread, of those too who come while it is open.
"""

from __future__ import annotations

from collections.abc import Iterator, ValuesView
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec

from codexd.projections.clients.deltas import EncodedMessage, Outgoing
from codexd.protocol.clients import DecidedBy
from codexd.protocol.notifications import ServerRequestResolvedNotification
from codexd.protocol.wire.rpc import ClientReply, encode_request
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame


class OpenQuestion:
    """A question that waits."""

    decided: DecidedBy | None = None  # the answer that counts, and the client that gave it


Q = TypeVar("Q", bound=OpenQuestion)


class OpenQuestions(Generic[Q]):
    """The open questions of one method, by their request ids."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._open: dict[int, Q] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._open

    def values(self) -> ValuesView[Q]:
        """All of them."""
        return self._open.values()

    def of(self, reply: ClientReply) -> Q | None:
        """The one that a client has answered; None where it is open no more."""
        return self._open.get(reply.id) if isinstance(reply.id, int) else None

    @contextmanager
    def asked(self, feed: Feed, params: msgspec.Struct, question: Q) -> Iterator[Q]:
        """Ask it for as long as this lasts."""
        questions = feed._questions
        request_id = questions.next_number()
        request = EncodedMessage(self._method, encode_request(request_id, self._method, params))
        self._open[request_id] = question
        questions.elicitations[request_id] = (feed.thread_id, request)
        _elicit(feed)
        try:
            yield question
        finally:
            del self._open[request_id], questions.elicitations[request_id]
            _elicited(feed, request_id, question.decided)


def say(feed: Feed, message: Outgoing) -> None:
    """Send a notification: those who lag, or come later, do without."""
    feed._mark_lagging()
    feed._publish([message], feed._now_ms())


def _elicit(feed: Feed) -> None:
    """Ask the open questions: those who lag are asked when they are level."""
    feed._mark_lagging()
    for follower in feed._followers:
        if follower.lagging is None:
            feed._tell(follower, [])


def _elicited(feed: Feed, request_id: int, decided: DecidedBy | None) -> None:
    """A question needs no answer any more."""
    params = ServerRequestResolvedNotification(
        thread_id=feed.thread_id, request_id=request_id, codexd=decided or msgspec.UNSET
    )
    resolved = Outgoing("serverRequest/resolved", params)
    frame = Frame(feed._parts([resolved], feed._now_ms(), feed._seq))
    for follower in feed._followers:
        if request_id in follower.elicited:
            follower.elicited.discard(request_id)
            follower.take(frame)
