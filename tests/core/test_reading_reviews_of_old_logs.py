"""Reading reviews in old logs: version 1 is read forever.

The file under `golden/` is never changed.
"""

from __future__ import annotations

import pytest

from codexd.core.events.events import Event, ThreadStarted, TurnInterrupted, encode_event
from codexd.core.events.history import ReviewEntered, ReviewExited
from codexd.core.events.record import decode_record
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.review_findings import CodeLocation, Finding, LineRange, ReviewOutput
from codexd.core.values.review_target import (
    BaseBranch,
    Commit,
    Custom,
    ReviewOf,
    UncommittedChanges,
)
from codexd.core.values.settings import Settings
from codexd.core.values.usage import Tokens
from golden_logs import check_whole, golden

REVIEWS = golden("reviews-v1")

PARENT, CHILD = (ThreadId(f"0194d2a0-0000-7000-8000-00000000000{n}") for n in (1, 2))
ENTERED, EXITED, T2 = ItemId("t1/review"), ItemId("t1/review/end"), TurnId("t2")

REVIEWED: list[Event] = [
    ThreadStarted(
        Settings("/work", "m-2", "p", "on-request", "read-only"),
        "codexd",
        "0.1.0",
        instructions="Review.",
        reviews=ReviewOf(PARENT, TurnId("t1")),
    ),
    ReviewEntered(ENTERED, "current changes", UncommittedChanges(), CHILD, T2, "m-2", "2026-11-21"),
    ReviewEntered(ENTERED, "changes against 'main'", BaseBranch("main"), CHILD, T2, "m-2"),
    ReviewEntered(
        ENTERED, "commit 0f3a9c1: Fix it", Commit("0f3a9c1d2e", "Fix it"), CHILD, T2, "m-2"
    ),
    ReviewEntered(ENTERED, "the parser", Custom("the parser"), CHILD, T2, "m-2"),
    ReviewExited(
        EXITED,
        "It leaks.\n\nReview comment:\n\n- [P1] Close it — /work/a.py:3-5\n  It stays open.",
        ReviewOutput(
            (
                Finding(
                    "[P1] Close it",
                    "It stays open.",
                    0.9,
                    1,
                    CodeLocation("/work/a.py", LineRange(3, 5)),
                ),
                Finding("Odd"),
            ),
            "patch is incorrect",
            "It leaks.",
            0.5,
        ),
        '{"findings":[]}',
        "<user_action>...</user_action>",
        Tokens(30, 20, 10, 0, 10, 5),
    ),
    ReviewExited(EXITED, "Stopped.", told="<user_action>...</user_action>"),
    TurnInterrupted("replaced"),
]


def test_reviews_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in REVIEWS] == REVIEWED


@pytest.mark.parametrize(("line", "event"), [*zip(REVIEWS, REVIEWED, strict=True)])
def test_reviews_of_version_1_would_be_written_the_same_today(line: bytes, event: Event) -> None:
    assert b'"data":%b,"crc"' % encode_event(event) in line


def test_the_golden_log_is_whole() -> None:
    check_whole(REVIEWS)
