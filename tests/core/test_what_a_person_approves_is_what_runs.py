"""The approved action is the action that runs: a decision is about one action, by its hash, and by its own number."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from builders import (
    ENDED,
    FINISHED,
    FIRST_TURN,
    answer,
    asked_about,
    calling,
    ended,
    finished_call,
    line,
    made,
    report,
    runs,
)
from codexd.core.events.events import Event, ToolCallRef
from codexd.core.events.tools import ApprovalDecided, ToolEnded
from codexd.core.policy.approval import action_hash, not_as_asked
from codexd.core.values.ids import CallId
from codexd.core.values.redacted import HASH_DIGITS, find_stand_in, secret_stand_in
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd.projections.model.history import ModelHistory
from spec import given

MAKE = replace(line("make"), justification="May I?")
ASKED = asked_about("c1", line("make"))
WAITING: tuple[Event, ...] = (*FIRST_TURN, made("c1"), ASKED, ENDED)


@pytest.mark.parametrize(
    "other",
    [
        replace(MAKE, command="make "),
        replace(MAKE, argv=("/bin/sh", "-c", "make; ./evil.sh")),
        replace(MAKE, argv=("/tmp/sh", "-c", "make")),
        replace(MAKE, cwd="/work/elsewhere"),
        replace(MAKE, timeout_ms=999),
        replace(MAKE, escalated=True),
    ],
    ids=["line", "argv", "shell", "folder", "time", "escalation"],
)
def test_the_hash_covers_all_that_decides_what_runs(other: RunCommand) -> None:
    assert action_hash(other) != action_hash(MAKE)


def test_no_member_of_a_command_is_left_out_of_the_hash_but_the_models_words() -> None:
    values: dict[str, object] = {
        "command": "x",
        "argv": ("x",),
        "cwd": "/x",
        "timeout_ms": 1,
        "escalated": True,
        "justification": "x",
        "direct": True,
        "prefix_rule": ("x",),
    }
    assert set(values) == set(RunCommand.__struct_fields__)
    changed = {name: replace(MAKE, **{name: value}) for name, value in values.items()}
    same = [name for name, action in changed.items() if action_hash(action) == action_hash(MAKE)]
    assert same == ["justification"]


def test_a_hash_that_a_log_holds_is_that_of_every_later_version() -> None:
    assert action_hash(line("make", escalated=True)) == (
        "7fe8ccc897e7688e0c9845466aebd2b555e93c5b92298db756f62b7a6d8df795"
    )


def test_an_answer_to_another_action_changes_nothing() -> None:
    other = replace(answer(ASKED, "accept"), action_hash=action_hash(line("make all")))
    for decision in ("accept", "acceptForSession", "decline", "cancel"):
        given(*WAITING).when(replace(other, decision=decision)).then_rejected("approval_mismatch")
    given(*WAITING).when(replace(other, action_hash="")).then_rejected("approval_mismatch")


def test_an_answer_to_an_earlier_question_does_not_answer_a_later_question() -> None:
    """The model calls the same line under the same id again, once the first was answered."""
    declined = given(*WAITING).when(answer(ASKED, "decline")).events
    past = (*WAITING, *declined)
    again = given(*past).when(report("t1/2", finished_call("c1", line("make")), FINISHED)).events
    assert asked_about("c1", line("make"), 2) in again
    given(*past, *again).when(answer(ASKED, "accept")).then_rejected("nobody_waiting")


@pytest.mark.parametrize(
    "found", [line("make all"), line("curl https://a:b@c"), replace(line("make"), cwd="/")]
)
def test_an_action_that_differs_from_the_question_does_not_run(found: RunCommand) -> None:
    """However a log shows it: a redacted line need not look like one."""
    asked = replace(ASKED, action=found)
    told = not_as_asked(found, asked.action_hash)
    assert told is not None
    assert "not run" in told
    given(*FIRST_TURN, made("c1"), asked, ENDED).when(answer(asked, "accept")).then(
        ApprovalDecided(asked.approval_id, "accept"),
        ToolEnded(CallId("c1"), ToolResult("failed", told, told)),
        calling("t1/2"),
    )


def test_a_question_of_a_version_without_hashes_can_be_answered() -> None:
    old = replace(ASKED, action_hash=None)
    given(*FIRST_TURN, made("c1"), old, ENDED).when(answer(old, "accept")).then(
        ApprovalDecided(old.approval_id, "accept"), runs("c1", "make")
    )


def test_the_model_is_answered_under_the_id_that_it_knows_and_nothing_else_goes_by_it() -> None:
    history = ModelHistory()
    for own in ("own 1", "own 2"):
        call = replace(made(own), call=ToolCallRef(CallId(own), "shell", answers="call_x"))
        for event in (call, runs(own, "ls")):
            history = history.after(event)
    for own in ("own 2", "own 1"):
        history = history.after(ended(own, own))
    assert [msgspec.json.decode(item) for item in history.items[-2:]] == [
        {"type": "function_call_output", "call_id": "call_x", "output": own}
        for own in ("own 2", "own 1")
    ]


def test_no_two_texts_can_be_made_to_share_a_placeholder() -> None:
    assert HASH_DIGITS * 4 >= 128
    found = find_stand_in(secret_stand_in("T", b"x"))
    assert found is not None
    assert len(found.partition("sha256:")[2].rstrip("»")) == HASH_DIGITS
    assert find_stand_in("«secret T sha256:1a2b3c4d»") is not None  # of older logs
