"""Interrupting: one append closes everything that was open, and answers every call."""

from __future__ import annotations

import pytest

from builders import (
    ABORTED,
    ENDED,
    FINISHED,
    FIRST_TURN,
    STARTED,
    aborted,
    answer,
    ask,
    asked_about,
    begun,
    calling,
    failure,
    finished_message,
    line,
    made,
    queued,
    report,
    report_ended,
    runs,
    said,
    streaming,
)
from codexd.core import commands as c
from codexd.core.events.events import Event, ItemCut, TurnCompleted, TurnInterrupted
from codexd.core.state.due import CallModel, RunTool
from codexd.core.values.ids import CallId, ItemId, ModelCallId, TurnId
from spec import given

IN_A_COMMAND = (*FIRST_TURN, made("c1"), runs("c1", "ls"), ENDED)
ASKED = asked_about("c2", line("make"))


def test_in_mid_answer_the_shown_text_is_kept() -> None:
    interrupt = c.InterruptTurn(turn_id=TurnId("t1"), open_items=(streaming("m1", "Half a"),))
    given(*FIRST_TURN).when(interrupt).then(
        ItemCut(ItemId("m1"), "message", "interrupted", "Half a"), ABORTED, TurnInterrupted()
    ).then_due()


def test_reasoning_is_kept_too() -> None:
    thought = c.OpenItem(ItemId("r1"), "reasoning", "", ("One", "Tw"), ("raw",), 7)
    given(*FIRST_TURN).when(c.InterruptTurn(open_items=(thought,))).then(
        ItemCut(ItemId("r1"), "reasoning", "interrupted", "", ("One", "Tw"), ("raw",), 7),
        ABORTED,
        TurnInterrupted(),
    )


def test_in_a_command_its_call_is_answered() -> None:
    given(*IN_A_COMMAND).due(RunTool(CallId("c1")))
    given(*IN_A_COMMAND).when(c.InterruptTurn()).then(
        aborted("c1"), ABORTED, TurnInterrupted()
    ).then_due()


def test_while_an_approval_waits_every_open_call_is_answered() -> None:
    both = (*FIRST_TURN, made("c1"), runs("c1", "ls"), made("c2"), ASKED)
    given(*both).due(CallModel(ModelCallId("t1/1"), 1), RunTool(CallId("c1")))
    given(*both).when(c.InterruptTurn(open_items=(streaming("m1"),))).then(
        ItemCut(ItemId("m1"), "message", "interrupted", "so far"),
        aborted("c1"),
        aborted("c2"),
        ABORTED,
        TurnInterrupted(),
    ).then_due()


def test_while_a_retry_waits() -> None:
    waiting = (*FIRST_TURN, *given(*FIRST_TURN).when(failure("t1/1")).events)
    given(*waiting).when(c.InterruptTurn()).then(ABORTED, TurnInterrupted()).then_due()


def test_reports_that_come_after_it_change_nothing() -> None:
    stopped = (*IN_A_COMMAND, aborted("c1"), ABORTED, TurnInterrupted())
    given(*stopped).when(report_ended("c1")).then()
    given(*stopped).when(c.ReportSpawned(call_id=CallId("c1"), pid=1, start_time="1")).then()
    given(*stopped).when(report("t1/1", finished_message("m", "late"), FINISHED)).then()
    given(*stopped).when(failure("t1/1")).then()


def test_an_answer_that_comes_after_it_is_refused() -> None:
    stopped = given(*FIRST_TURN, made("c2"), ASKED).when(c.InterruptTurn()).events
    late = answer(ASKED, "accept")
    given(*FIRST_TURN, made("c2"), ASKED, *stopped).when(late).then_rejected("nobody_waiting")


@pytest.mark.parametrize("past", [(STARTED,), (*FIRST_TURN, ENDED, TurnCompleted())])
def test_there_must_be_a_turn(past: tuple[Event, ...]) -> None:
    given(*past).when(c.InterruptTurn()).then_rejected("no_active_turn")


def test_it_must_be_the_turn_that_was_meant() -> None:
    given(*FIRST_TURN).when(c.InterruptTurn(turn_id=TurnId("t9"))).then_rejected("turn_mismatch")


def test_an_item_that_has_its_fact_is_not_cut() -> None:
    """Its draft may be there still: it is dropped after the fact is written."""
    finished = (*FIRST_TURN, said("m1", "Whole.", 7))
    left = (streaming("m1", "Whole.", 7), streaming("m2", "Hal", 8))
    given(*finished).when(c.InterruptTurn(open_items=left)).then(
        ItemCut(ItemId("m2"), "message", "interrupted", "Hal", started_ms=8),
        ABORTED,
        TurnInterrupted(),
    )


def test_after_it_a_new_turn_can_begin() -> None:
    stopped = (*FIRST_TURN, ABORTED, TurnInterrupted())
    given(*stopped).when(ask(2)).then(queued(2), begun(2), calling("t2/1"))
