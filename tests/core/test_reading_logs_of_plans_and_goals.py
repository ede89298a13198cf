"""Logs with plan mode, questions of a model and goals: version 1 is read for ever."""

from __future__ import annotations

from codexd.core.events.events import (
    ApprovalDecided,
    ApprovalRequested,
    ContextAdded,
    Event,
    GoalChanged,
    GoalCleared,
    GoalTold,
    SettingsChanged,
    ToolStarted,
)
from codexd.core.values.goals import Goal
from codexd.core.values.ids import ApprovalId, CallId
from codexd.core.values.settings import Collaboration, SettingsChange
from codexd.core.values.tool_actions import AskPerson, Choice, GoalAction, PersonQuestion
from golden_logs import check_same_today, golden

LINES = golden("goals-v1")
VERSE = Collaboration("plan", "Plan in verse.")
ASKS = AskPerson((PersonQuestion("where", "Storage", "Where?", (Choice("File", "Simple."),)),))
EXPECTED: list[Event] = [
    SettingsChanged(SettingsChange(effort="", collaboration=VERSE)),
    ContextAdded("developer", "developer", "Plan in verse.", collaboration=VERSE),
    ApprovalRequested(ApprovalId("t1/1"), CallId("c1"), ASKS, "The model asks you.", "never", "0f"),
    ApprovalDecided(ApprovalId("t1/1"), "accept", answers={"where": ("File", "here")}),
    GoalChanged(Goal("Port it.", "active", 100, 5000, 6000, 10, 1500)),
    GoalTold("Go on."),
    ToolStarted(CallId("c1"), GoalAction(status="complete")),
    GoalChanged(Goal("Port it.", "complete")),
    GoalCleared(),
]


def test_they_read_as_they_were_meant_and_would_be_written_the_same_today() -> None:
    check_same_today(LINES, EXPECTED)
