"""Steering: input for the running turn, seen by the model with its next call."""

from __future__ import annotations

import pytest

from builders import (
    ABORTED,
    ENDED,
    FINISHED,
    FIRST_TURN,
    STARTED,
    calling,
    ended,
    failure,
    finished_message,
    made,
    report,
    report_ended,
    runs,
    said,
    text,
)
from codexd.core import commands as c
from codexd.core.events.events import TurnCompleted, TurnInterrupted, TurnSteered
from codexd.core.values.ids import ItemId, ModelCallId, TurnId
from codexd.core.values.items import UserInput
from spec import given

STEER = c.SteerTurn(
    expected_turn=TurnId("t1"), item_id=ItemId("s1"), content=text("stop there"), client_id="x"
)
STEERED = TurnSteered(ItemId("s1"), text("stop there"), "x")


def test_it_is_taken_into_the_running_turn() -> None:
    given(*FIRST_TURN).when(STEER).then(STEERED)


def test_a_turn_that_was_about_to_end_continues() -> None:
    given(*FIRST_TURN, STEERED).when(report("t1/1", finished_message("m1", "Bye."), FINISHED)).then(
        said("m1", "Bye."), ENDED, calling("t1/2")
    )


def test_the_model_is_called_for_it_once() -> None:
    given(*FIRST_TURN, STEERED, ENDED, calling("t1/2")).when(report("t1/2", FINISHED)).then(
        ENDED, TurnCompleted()
    )


def test_it_waits_for_the_answers_of_tools() -> None:
    running = (*FIRST_TURN, made("c1"), runs("c1", "ls"), ENDED)
    given(*running).when(STEER).then(STEERED)
    given(*running, STEERED).when(report_ended("c1")).then(ended("c1"), calling("t1/2"))


def test_a_retry_takes_it_along() -> None:
    failed = given(*FIRST_TURN, STEERED).when(failure("t1/1")).events
    retry = c.RetryModelCall(call_id=ModelCallId("t1/1"), attempt=1)
    again = given(*FIRST_TURN, STEERED, *failed).when(retry).then(calling("t1/1", 2))
    given(*FIRST_TURN, STEERED, *failed, *again.events).when(
        report("t1/1", FINISHED, attempt=2)
    ).then(ENDED, TurnCompleted())


def test_an_interrupted_turn_does_not_continue_for_it() -> None:
    given(*FIRST_TURN, STEERED).when(c.InterruptTurn()).then(ABORTED, TurnInterrupted())


def test_there_must_be_a_turn() -> None:
    given(STARTED).when(STEER).then_rejected("no_active_turn")


def test_it_must_be_the_turn_that_was_meant() -> None:
    other = c.SteerTurn(expected_turn=TurnId("t9"), item_id=ItemId("s"), content=text("x"))
    given(*FIRST_TURN).when(other).then_rejected("turn_mismatch")


@pytest.mark.parametrize("content", [(), text(" ")])
def test_an_empty_input_is_refused(content: tuple[UserInput, ...]) -> None:
    empty = c.SteerTurn(expected_turn=TurnId("t1"), item_id=ItemId("s"), content=content)
    given(*FIRST_TURN).when(empty).then_rejected("empty_input")
