"""A thread is unread from its first result on that nobody has marked as read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import ABORTED, BROKEN, STARTED, begun, queued
from codexd.core import commands as c
from codexd.core.events.events import (
    Event,
    ReadStateSet,
    ThreadForked,
    ThreadImported,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)
from codexd.core.state.read_state import ReadState
from codexd.core.state.state import fold
from codexd.core.values.ids import ThreadId
from spec import given

NEW = replace(STARTED, source="vscode")


def turn(n: int, end: Event) -> tuple[Event, ...]:
    return (queued(n), begun(n), end)


ONE, TWO = turn(1, TurnCompleted()), turn(2, TurnCompleted())


@pytest.mark.parametrize(
    ("events", "unread", "revision"),
    [
        ((NEW,), None, 0),
        ((NEW, *ONE), "t1", 1),
        ((NEW, *ONE, *TWO), "t1", 2),
        ((NEW, *turn(1, TurnFailed(BROKEN))), "t1", 1),
        ((NEW, queued(1), begun(1), ABORTED, TurnInterrupted()), None, 0),
        ((NEW, *ONE, ReadStateSet(unread=False)), None, 2),
        ((NEW, *ONE, ReadStateSet(unread=False), *TWO), "t2", 3),
        ((NEW, *ONE, ReadStateSet(unread=True), *TWO), "", 3),
        # A thread of before this was recorded: nobody could have marked it.
        ((STARTED, *ONE), None, 0),
        ((NEW, *ONE, ThreadForked(ThreadId("p"), 3)), None, 0),
        ((NEW, *ONE, ThreadForked(ThreadId("p"), 3), *TWO), "t2", 1),
        ((NEW, *ONE, ThreadImported("/r", "s", "0", 0, 0)), None, 0),
    ],
)
def test_what_is_unread(events: tuple[Event, ...], unread: str | None, revision: int) -> None:
    read = fold(events).read
    assert (read.first_unread, read.revision) == (unread, revision)
    folded = ReadState()
    for event in events:
        folded = folded.after(event)
    assert folded == read


@pytest.mark.parametrize("since", [(), ONE, TWO, (ReadStateSet(unread=False),)])
def test_the_state_at_an_earlier_place_is_told_from_what_came_since(
    since: tuple[Event, ...],
) -> None:
    early = fold((NEW, *turn(3, TurnCompleted()), ReadStateSet(unread=False))).read
    late = early
    for event in since:
        late = late.after(event)
    before = late.before(since)
    assert before == replace(early, turn=None)
    for event in since:
        before = before.after(event)
    assert before == late


def test_it_is_marked_in_the_state_that_a_client_has_seen() -> None:
    past = (NEW, *ONE)
    read = c.MarkRead(unread=False, revision=1)
    outcome = given(*past).when(read).then(ReadStateSet(unread=False))
    assert outcome.state.read.first_unread is None
    given(*past, *TWO).when(read).then_rejected("read_state_conflict")
    given(*past).when(replace(read, revision=None)).then_rejected("read_state_conflict")
    given(*past, ReadStateSet(unread=False)).when(c.MarkRead(unread=True, revision=2)).then(
        ReadStateSet(unread=True)
    )


def test_what_is_marked_already_is_no_conflict() -> None:
    """Two clients of one thread mark it after each of its turns, both in the state that they have seen."""
    marked = (NEW, *ONE, ReadStateSet(unread=False))
    given(*marked).when(c.MarkRead(unread=False, revision=1)).then()
    given(NEW, *ONE).when(c.MarkRead(unread=True, revision=7)).then()


def test_a_thread_without_a_result_has_no_state() -> None:
    for past in ((NEW,), (STARTED, *ONE)):
        given(*past).when(c.MarkRead(unread=False, revision=0)).then_rejected(
            "read_state_unavailable"
        )
