"""The table of action kinds: each kind is asked about, refused, and handled after a crash by its row."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from msgspec.structs import replace

from builders import (
    ENDED,
    FINISHED,
    FIRST_TURN,
    answer,
    approval,
    asked_about,
    calling,
    finished_call,
    line,
    made,
    report,
)
from codexd.core import commands as c
from codexd.core.decide.approvals import NOBODY_TO_ASK
from codexd.core.decide.effect_reports import RESTARTED
from codexd.core.events.events import Event, encode_event
from codexd.core.events.record import decode_record
from codexd.core.events.tools import ApprovalRequested, ToolEnded, ToolStarted
from codexd.core.policy.action_kinds import KINDS, UNREAD, ActionKind, Approval
from codexd.core.policy.approval import action_hash
from codexd.core.state.due import RunTool
from codexd.core.values.ids import CallId
from codexd.core.values.tool_actions import ToolAction, ToolResult, UnreadAction, ViewImage
from spec import given


class Ring(ToolAction, msgspec.Struct, frozen=True, tag="ring", tag_field="kind"):
    """Ring a bell."""

    times: int


CALL = CallId("c1")
CALLED = (*FIRST_TURN, made("c1"))
STARTED = ToolStarted(CALL, Ring(3))
REASON = "It is loud."
ROW = ActionKind(
    action=Ring,
    line=lambda action: f"ring {action.times} times",
    after_crash="repeat",
    approval=Approval(
        reason=lambda settings, action, _: REASON if action.times > 1 else None,
        request="item/commandExecution/requestApproval",
        answers=("accept", "decline"),
    ),
)


@pytest.fixture(autouse=True)
def rows() -> Iterator[dict[str, ActionKind[Ring]]]:
    """The table, with a row for bells."""
    KINDS["ring"] = ROW
    yield KINDS
    del KINDS["ring"]


def question(action: ToolAction) -> ApprovalRequested:
    return ApprovalRequested(approval("t1"), CALL, action, REASON, "untrusted", action_hash(action))


def abandoned(text: str) -> ToolEnded:
    return ToolEnded(CALL, ToolResult("aborted", text))


def refused(text: str) -> ToolEnded:
    return ToolEnded(CALL, ToolResult("failed", text, text))


def test_each_row_is_under_the_tag_of_its_struct() -> None:
    assert {tag: row.action.__struct_config__.tag for tag, row in KINDS.items()} == {
        tag: tag for tag in KINDS
    }


def test_the_row_says_whether_and_why_a_person_is_asked() -> None:
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", Ring(3)), FINISHED)).then(
        made("c1"), question(Ring(3)), ENDED
    ).then_due()
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", Ring(1)), FINISHED)).then(
        made("c1"), ToolStarted(CALL, Ring(1)), ENDED
    ).then_due(RunTool(CALL))


def test_an_action_without_a_question_is_refused_with_a_sentence(
    rows: dict[str, ActionKind[Ring]],
) -> None:
    approval = Approval[Ring](reason=lambda settings, action, _: REASON)
    rows["ring"] = replace(ROW, approval=approval)
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", Ring(3)), FINISHED)).then(
        made("c1"), refused(NOBODY_TO_ASK), ENDED, calling("t1/2")
    )


def test_an_action_without_a_row_is_refused_with_a_sentence(
    rows: dict[str, ActionKind[Ring]],
) -> None:
    events = (made("c1"), refused(UNREAD), ENDED, calling("t1/2"))
    del rows["ring"]
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", Ring(3)), FINISHED)).then(*events)
    rows["ring"] = ROW


def test_an_answer_that_was_not_offered_changes_nothing() -> None:
    asked = question(Ring(3))
    for decision in ("acceptForSession", "cancel"):
        given(*CALLED, asked, ENDED).when(answer(asked, decision)).then_rejected(
            "decision_not_offered"
        )


@pytest.mark.parametrize(
    "action",
    [Ring(3), ViewImage("/work/a.png")],
    ids=["by its row", "an image is looked at once more"],
)
def test_a_repeatable_call_is_started_once_more(action: ToolAction) -> None:
    given(*CALLED, ToolStarted(CALL, action), ENDED).when(c.Recover()).then(
        ToolStarted(CALL, action, again="repeat")
    ).then_due(RunTool(CALL))


def test_it_is_repeated_once() -> None:
    # It may be what the daemon dies of.
    past = (*CALLED, STARTED, ENDED, replace(STARTED, again="repeat"))
    given(*past).when(c.Recover()).then(abandoned(RESTARTED), calling("t1/2"))


def test_a_call_that_may_still_run_is_adopted_after_every_crash(
    rows: dict[str, ActionKind[Ring]],
) -> None:
    rows["ring"] = replace(ROW, after_crash="adopt")
    adopted = replace(STARTED, again="adopt")
    past: tuple[Event, ...] = (*CALLED, STARTED, ENDED)
    given(*past).when(c.Recover()).then(adopted).then_due(RunTool(CALL))
    given(*past, adopted).when(c.Recover()).then(adopted).then_due(RunTool(CALL))


def test_of_all_other_calls_the_model_learns_that_the_result_is_not_known() -> None:
    started = ToolStarted(CALL, UnreadAction('{"kind":"fly"}'))
    given(*CALLED, started, ENDED).when(c.Recover()).then(abandoned(RESTARTED), calling("t1/2"))


def test_nothing_is_resumed_where_a_restart_ends_the_turn() -> None:
    outcome = given(*CALLED, STARTED, ENDED).when(c.Recover(resume=False))
    assert outcome.state.turn is None
    assert not [event for event in outcome.events if isinstance(event, ToolStarted)]


def test_a_question_that_this_version_cannot_ask_does_not_wait_forever() -> None:
    unknown = UnreadAction('{"kind":"fly"}')
    given(*CALLED, question(unknown), ENDED).when(c.Recover()).then(
        abandoned(NOBODY_TO_ASK), calling("t1/2")
    )
    asked = asked_about("c1", line("make"))
    given(*CALLED, asked, ENDED).when(c.Recover()).then()


def test_an_action_of_another_version_is_kept_as_it_is_and_is_not_performed() -> None:
    data = encode_event(ToolStarted(CALL, Ring(3))).replace(b'"ring"', b'"fly"')
    record = (
        b'{"seq":1,"at":"2026-11-21T03:05:00.000000Z","type":"tool.started","data":' + data + b"}"
    )
    event = decode_record(record).event
    assert isinstance(event, ToolStarted)
    assert event.action == UnreadAction('{"kind":"fly","times":3}')
    given(*CALLED, event, ENDED).when(c.Recover()).then(abandoned(RESTARTED), calling("t1/2"))
