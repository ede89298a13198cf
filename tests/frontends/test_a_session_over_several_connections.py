"""The session of a frontend: what it sends on each connection, and that nothing of a thread is missed or comes twice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from codexd_frontends.client.errors import CommandError, ConnectionCut, RequestRefused
from codexd_frontends.client.messages import Message
from codexd_frontends.client.session import Cursor, Session

from . import said
from .fake_daemon import Json

GREETING = {"id": 1, "result": {"userAgent": "codexd/0.169.0 (Linux) codexd/0.1.0"}}
THREAD = said.THREAD


def sent(session: Session) -> list[Json]:
    return [msgspec.json.decode(line) for line in session.outgoing().splitlines()]


def feed(session: Session, *messages: Json) -> None:
    session.feed(b"".join(msgspec.json.encode(message) + b"\n" for message in messages))


def told(method: str, seq: int | None, **more: Any) -> Json:
    offset = more.pop("offset", None)
    note = {"method": method, "params": {"threadId": THREAD, "turnId": "u", **more}, "seq": seq}
    return note if offset is None else {**note, "offset": offset}


def begun() -> Session:
    """A session that follows a thread from event 5 on."""
    session = Session("test")
    session.begin()
    request_id = session.ask("thread/resume", {"threadId": THREAD})
    feed(session, GREETING, {"id": request_id, "result": {"thread": {"id": THREAD}, "seq": 5}})
    session.take_answer(request_id)
    session.outgoing()
    return session


def arrived(session: Session) -> list[tuple[str | None, int | None]]:
    position = session.threads[THREAD]
    given: list[Message] = []
    while position.arrived:
        given.append(position.next())
    return [(message.method, message.seq) for message in given]


def test_a_request_waits_behind_the_greeting() -> None:
    session = Session("mine")
    session.begin()
    session.ask("thread/list", {})
    assert [message["method"] for message in sent(session)] == [
        "initialize",
        "initialized",
        "thread/list",
    ]
    assert not session.is_greeted
    feed(session, GREETING)
    assert (session.is_greeted, session.version) == (True, "0.1.0")


def test_a_thread_goes_on_where_it_was_and_texts_at_their_lengths() -> None:
    session = begun()
    feed(
        session,
        told("item/started", 6),
        told("item/agentMessage/delta", 6, itemId="i", delta="abc", offset=3),
    )
    session.cut()
    session.begin()
    resumed = sent(session)[2]
    assert resumed["method"] == "thread/resume"
    assert resumed["params"]["after"] == {"seq": 6, "items": {"i": 3}}


def test_of_an_event_that_was_told_in_part_the_rest_comes_and_nothing_twice() -> None:
    session = begun()
    feed(session, told("a", 6), told("b", 6), told("c", 6))  # b and c are of event 7
    session.cut()
    session.begin()
    feed(session, told("b", 6), told("c", 6), told("d", 7), told("b", 7))
    assert arrived(session) == [("a", 6), ("b", 6), ("c", 6), ("d", 7), ("b", 7)]


def test_what_was_told_whole_may_come_again_as_news() -> None:
    session = begun()
    feed(session, told("a", 6))
    session.cut()
    session.begin()
    feed(session, told("a", 6))
    assert arrived(session) == [("a", 6), ("a", 6)]


def test_a_cursor_is_behind_what_was_given_out() -> None:
    session = begun()
    position = session.threads[THREAD]
    feed(session, told("a", 6), told("b", 7))
    assert position.taken == Cursor(5)
    position.next()
    assert (position.taken, position.cursor) == (Cursor(6), Cursor(7))


def test_a_kept_cursor_is_where_a_later_process_begins() -> None:
    session = Session("test")
    session.begin()
    request_id = session.ask(
        "thread/resume", {"threadId": THREAD, "after": {"seq": 3, "items": {}}}
    )
    feed(
        session,
        GREETING,
        {"id": request_id, "result": {"thread": {"id": THREAD}, "seq": 9}},
        told("a", 4),
    )
    assert session.threads[THREAD].cursor == Cursor(4)


def test_a_lost_request_is_made_again_if_that_changes_nothing() -> None:
    session = begun()
    reads = session.ask("thread/read", {"threadId": THREAD})
    keyed = session.ask("turn/start", {"threadId": THREAD, "idempotencyKey": "k"})
    steers = session.ask("turn/steer", {"threadId": THREAD})
    session.outgoing()
    session.cut()
    with pytest.raises(ConnectionCut, match="whether turn/steer was carried out is not known"):
        session.take_answer(steers)
    session.begin()
    again = sent(session)
    assert [(message["id"], message["method"]) for message in again[3:]] == [
        (reads, "thread/read"),
        (keyed, "turn/start"),
    ]
    feed(session, {"id": keyed, "result": {"turn": {"id": "u"}}})
    assert session.is_answered(keyed)
    assert not session.is_answered(reads)


def test_a_question_is_open_until_it_is_resolved_or_answered() -> None:
    session = begun()
    position = session.threads[THREAD]
    feed(session, said.approval(7), said.approval(8))
    assert list(position.questions) == [7, 8]
    feed(session, told("serverRequest/resolved", 6, requestId=7))
    session.reply(8, {"decision": "accept"})
    assert not position.questions
    assert sent(session) == [{"id": 8, "result": {"decision": "accept"}}]
    feed(session, said.approval(9))
    session.cut()
    session.begin()
    assert not position.questions, "it is asked again, under another id"


def test_a_thread_that_cannot_be_followed_on_is_over() -> None:
    session = begun()
    session.cut()
    session.begin()
    (resume,) = [m for m in sent(session) if m["method"] == "thread/resume"]
    gone = {"code": -32600, "message": "gone", "data": {"code": "thread_not_found"}}
    feed(session, {"id": resume["id"], "error": gone})
    over = session.threads[THREAD].over
    assert isinstance(over, RequestRefused)
    assert (over.code, over.reason) == (-32600, "thread_not_found")
    session.cut()
    session.begin()
    assert not [m for m in sent(session) if m["method"] == "thread/resume"]


def test_a_deleted_thread_is_over_behind_its_last_notification() -> None:
    session = begun()
    feed(session, {"method": "thread/deleted", "params": {"threadId": THREAD}})
    position = session.threads[THREAD]
    assert position.next().method == "thread/deleted"
    assert isinstance(position.over, CommandError)


def test_a_daemon_that_does_not_greet_is_refused() -> None:
    session = Session("test")
    session.begin()
    with pytest.raises(RequestRefused, match="no"):
        feed(session, {"id": 1, "error": {"code": -32600, "message": "no"}})
    other = Session("test")
    other.begin()
    with pytest.raises(ConnectionCut, match="greeting cannot be read"):
        feed(other, {"id": 1, "result": {"userAgent": 1}})
