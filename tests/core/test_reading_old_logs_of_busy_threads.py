"""Reading old logs: answers that were cut off for a person's input, turns that waited for their turn, and threads that
worked with threads.
"""

from __future__ import annotations

import pytest

from builders import text
from codexd.core.events.events import (
    Event,
    ItemCut,
    ThreadStarted,
    TurnQueued,
    TurnSteered,
    TurnWithdrawn,
)
from codexd.core.events.tools import ToolStarted
from codexd.core.events.waiting import ReviewAsked
from codexd.core.values.ids import CallId, ItemId, ModelCallId, ThreadId, TurnId
from codexd.core.values.review_target import Commit
from codexd.core.values.settings import Settings
from codexd.core.values.thread_calls import Spawned, ThreadCall
from golden_logs import check_same_today, golden

AT_MS = 1794830400000
STEERED: list[Event] = [
    ItemCut(ItemId("m1"), "message", "interrupted", "I will", started_ms=AT_MS, in_history=True),
    ItemCut(ItemId("ws1"), "other", "interrupted", started_ms=AT_MS),
    TurnSteered(ItemId("s1"), text("stop"), "c-2", cut=ModelCallId("t1/1")),
]
WAITING: list[Event] = [
    TurnQueued(TurnId("k1"), "compact"),
    TurnQueued(
        TurnId("r1"),
        "review",
        ReviewAsked(
            Commit("0f3a9c1", "Fix it"),
            ThreadId("child"),
            TurnId("rt"),
            "2026-11-28",
            "sha: it is not there",
        ),
    ),
    TurnWithdrawn(TurnId("r1")),
]
A, B = (ThreadId(f"0194d2a0-0000-7000-8000-00000000000{letter}") for letter in "ab")
TOGETHER: list[Event] = [
    ThreadStarted(
        Settings("/work", "m-1", "p", "untrusted", "read-only"),
        "codexd",
        "0.1.0",
        thread_source="subagent",
        source="vscode",
        spawned=Spawned(A, TurnId("t1"), 1),
    ),
    ToolStarted(CallId("c1"), ThreadCall("spawnAgent", A, (B,), "Test it.", "m-2")),
    ToolStarted(CallId("c2"), ThreadCall("sendInput", A, (B,), "Go on.", steer=True)),
    ToolStarted(CallId("c3"), ThreadCall("wait", A, (B,), timeout_ms=30_000)),
    ToolStarted(CallId("c4"), ThreadCall("listAgents", A, search="parser")),
]


@pytest.mark.parametrize(
    ("file", "events"),
    [
        ("steering-v1", STEERED),
        ("waiting-v1", WAITING),
        ("threads-v1", TOGETHER),
    ],
)
def test_they_are_read_and_would_be_written_the_same_today(file: str, events: list[Event]) -> None:
    check_same_today(golden(file), events)
