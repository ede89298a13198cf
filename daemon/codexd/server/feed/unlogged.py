"""Messages to the followers of a thread that are in no log: progress of calls, and questions of MCP servers."""

from __future__ import annotations

import msgspec

from codexd.projections.clients.deltas import Outgoing
from codexd.protocol.clients import DecidedBy
from codexd.protocol.notifications import ServerRequestResolvedNotification
from codexd.server.feed.feed import Feed
from codexd.server.feed.frames import Frame


def say(feed: Feed, message: Outgoing) -> None:
    """Send a notification: those who lag, or come later, do without."""
    feed._mark_lagging()
    feed._publish([message], feed._now_ms())


def elicit(feed: Feed) -> None:
    """Ask the open questions of MCP servers: those who lag are asked when they are level."""
    feed._mark_lagging()
    for follower in feed._followers:
        if follower.lagging is None:
            feed._tell(follower, [])


def elicited(feed: Feed, request_id: int, decided: DecidedBy | None) -> None:
    """A question of an MCP server needs no answer any more."""
    params = ServerRequestResolvedNotification(
        thread_id=feed.thread_id, request_id=request_id, codexd=decided or msgspec.UNSET
    )
    resolved = Outgoing("serverRequest/resolved", params)
    frame = Frame(feed._parts([resolved], feed._now_ms(), feed._seq))
    for follower in feed._followers:
        if request_id in follower.elicited:
            follower.elicited.discard(request_id)
            follower.take(frame)
