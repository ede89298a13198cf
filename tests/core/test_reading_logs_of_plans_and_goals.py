"""Logs with plan mode, questions of a model and goals: version 1 is read for ever."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

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
    decode_event,
    encode_event,
)
from codexd.core.events.record import decode_record
from codexd.core.values.goals import Goal
from codexd.core.values.ids import ApprovalId, CallId
from codexd.core.values.settings import Collaboration, SettingsChange
from codexd.core.values.tool_actions import AskPerson, Choice, GoalAction, PersonQuestion

LINES = (Path(__file__).parent / "golden" / "goals-v1.jsonl").read_bytes().splitlines()
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
    crc = crc32(b"golden")
    for line, event in zip(LINES, EXPECTED, strict=True):
        body, _, end = line.rpartition(b',"crc":')
        crc = crc32(body, crc)
        assert end == b'"%08x"}' % crc
        assert decode_record(line).event == event
        assert b'"data":%b' % encode_event(event) in line
        assert decode_event(event.type, event.v, encode_event(event)) == event
