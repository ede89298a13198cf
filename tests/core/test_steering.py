"""Steering: input for the running turn cuts the model's answer off; the model is asked again with it at once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    ENDED,
    FINISHED,
    FIRST_TURN,
    STARTED,
    asked_about,
    calling,
    ended,
    failure,
    finished_message,
    line,
    made,
    report,
    report_ended,
    runs,
    said,
    streaming,
    text,
)
from codexd.core import commands as c
from codexd.core.events.events import (
    ItemCut,
    ModelCallFailed,
    TurnCompleted,
    TurnInterrupted,
    TurnSteered,
)
from codexd.core.state.due import CallModel, RunTool
from codexd.core.values.ids import CallId, ItemId, ModelCallId, TurnId
from codexd.core.values.items import TurnError, UserInput
from spec import given

STEER = c.SteerTurn(
    expected_turn=TurnId("t1"), item_id=ItemId("s1"), content=text("stop there"), client_id="x"
)
ASKED = asked_about("c2", line("make"))
STEERED = TurnSteered(ItemId("s1"), text("stop there"), "x")
CUT = replace(STEERED, cut=ModelCallId("t1/1"))
PARTIAL = ItemCut(ItemId("m1"), "message", "interrupted", "so far", in_history=True)


def test_it_cuts_the_answer_off_and_the_model_is_asked_again() -> None:
    given(*FIRST_TURN).when(STEER).then(CUT, calling("t1/2")).then_due(
        CallModel(ModelCallId("t1/2"), 1)
    )


def test_the_shown_text_stays_and_comes_before_it() -> None:
    cutting = replace(STEER, open_items=(streaming("m1"),))
    given(*FIRST_TURN).when(cutting).then(PARTIAL, CUT, calling("t1/2"))


def test_a_thought_that_is_cut_off_is_shown_and_is_not_in_the_models_history() -> None:
    thought = c.OpenItem(ItemId("r1"), "reasoning", summary=("hm",))
    given(*FIRST_TURN).when(replace(STEER, open_items=(thought,))).then(
        ItemCut(ItemId("r1"), "reasoning", "interrupted", summary=("hm",)), CUT, calling("t1/2")
    )


def test_an_item_that_is_whole_is_not_cut() -> None:
    whole = (*FIRST_TURN, said("m1", "Bye."))
    given(*whole).when(replace(STEER, open_items=(streaming("m1"),))).then(CUT, calling("t1/2"))


def test_several_cut_off_one_request_after_another() -> None:
    second = replace(STEER, item_id=ItemId("s2"))
    given(*FIRST_TURN, CUT, calling("t1/2")).when(second).then(
        replace(CUT, item_id=ItemId("s2"), cut=ModelCallId("t1/2")), calling("t1/3")
    )


def test_what_the_old_request_still_reports_changes_nothing() -> None:
    steered = (*FIRST_TURN, CUT, calling("t1/2"))
    given(*steered).when(report("t1/1", finished_message("m1", "late"), FINISHED)).then()
    given(*steered).when(failure("t1/1")).then()


def test_a_turn_that_has_ended_meanwhile_is_not_steered() -> None:
    over = (*FIRST_TURN, said("m1", "Bye."), ENDED, TurnCompleted())
    given(*over).when(STEER).then_rejected("no_active_turn")


def test_the_model_is_called_for_it_once() -> None:
    given(*FIRST_TURN, CUT, calling("t1/2")).when(report("t1/2", FINISHED)).then(
        ENDED, TurnCompleted()
    )


def test_it_waits_for_the_answers_of_tools() -> None:
    running = (*FIRST_TURN, made("c1"), runs("c1", "ls"), ENDED)
    given(*running).when(STEER).then(STEERED)
    given(*running, STEERED).when(report_ended("c1")).then(ended("c1"), calling("t1/2"))


def test_a_call_that_came_whole_before_the_cut_is_made_to_its_end() -> None:
    running = (*FIRST_TURN, made("c1"), runs("c1", "ls"))
    given(*running).when(STEER).then(CUT).then_due(RunTool(CallId("c1")))
    given(*running, CUT).when(report_ended("c1")).then(ended("c1"), calling("t1/2"))


def test_it_waits_for_the_answer_to_a_question() -> None:
    asked = (*FIRST_TURN, made("c2"), ASKED, ENDED)
    given(*asked).when(STEER).then(STEERED).then_due()


def test_a_retry_takes_it_along() -> None:
    failed = given(*FIRST_TURN).when(failure("t1/1")).events
    waiting = given(*FIRST_TURN, *failed).when(STEER).then(STEERED)
    retry = c.RetryModelCall(call_id=ModelCallId("t1/1"), attempt=1)
    past = (*FIRST_TURN, *failed, *waiting.events)
    again = given(*past).when(retry).then(calling("t1/1", 2))
    given(*past, *again.events).when(report("t1/1", FINISHED, attempt=2)).then(
        ENDED, TurnCompleted()
    )


def test_a_crash_after_it_asks_again_with_it() -> None:
    steered = (*FIRST_TURN, PARTIAL, CUT, calling("t1/2"))
    restarted = ModelCallFailed(
        TurnError("the daemon was restarted; the model is asked again"), "restart", True
    )
    given(*steered).when(c.Recover()).then(restarted, calling("t1/2", 2))


def test_an_interrupted_turn_does_not_continue_for_it() -> None:
    steered = (*FIRST_TURN, CUT, calling("t1/2"))
    given(*steered).when(c.InterruptTurn()).then(ABORTED, TurnInterrupted()).then_due()


def test_there_must_be_a_turn() -> None:
    given(STARTED).when(STEER).then_rejected("no_active_turn")


def test_it_must_be_the_turn_that_was_meant() -> None:
    other = c.SteerTurn(expected_turn=TurnId("t9"), item_id=ItemId("s"), content=text("x"))
    given(*FIRST_TURN).when(other).then_rejected("turn_mismatch")


@pytest.mark.parametrize("content", [(), text(" ")])
def test_an_empty_input_is_refused(content: tuple[UserInput, ...]) -> None:
    empty = c.SteerTurn(expected_turn=TurnId("t1"), item_id=ItemId("s"), content=content)
    given(*FIRST_TURN).when(empty).then_rejected("empty_input")
