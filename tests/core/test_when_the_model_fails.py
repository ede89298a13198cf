"""When the model fails: temporary errors are tried again, within a budget; then the turn fails."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    BROKEN,
    ENDED,
    FINISHED,
    FIRST_TURN,
    answer,
    ask,
    asked_about,
    calling,
    ended,
    failure,
    finished_call,
    finished_message,
    line,
    made,
    report,
    report_ended,
    runs,
    streaming,
)
from codexd.core import commands as c
from codexd.core.events.events import (
    Event,
    ItemCut,
    ModelCallEnded,
    ModelCallFailed,
    TurnCompleted,
    TurnFailed,
)
from codexd.core.events.tools import ApprovalRequested, ToolEnded
from codexd.core.state.due import AwaitRetry, CallModel, RunTool
from codexd.core.values.ids import CallId, ItemId, ModelCallId
from codexd.core.values.items import TurnError
from codexd.core.values.model_output import ModelResponseDone
from codexd.core.values.tool_actions import ToolResult
from spec import given

CALL = ModelCallId("t1/1")
ABANDONED = ToolEnded(CallId("c1"), ToolResult("aborted", "aborted: the turn failed"))
LIMITS = {"x-codex-primary-used-percent": "100"}


def again(attempt: int) -> c.RetryModelCall:
    return c.RetryModelCall(call_id=CALL, attempt=attempt)


def reconnecting(number: int, number_max: int, after_ms: int = 200) -> ModelCallFailed:
    error = TurnError(
        f"Reconnecting... {number}/{number_max}", BROKEN.codex_error_info, BROKEN.message
    )
    return ModelCallFailed(error, "stream", True, after_ms)


def test_it_waits_and_tries_again() -> None:
    failed = given(*FIRST_TURN).when(failure("t1/1", after_ms=300))
    failed.then(reconnecting(1, 5, 300)).then_due(AwaitRetry(CALL, 1, 300))
    past = (*FIRST_TURN, *failed.events)
    given(*past).when(again(1)).then(calling("t1/1", 2)).then_due(CallModel(CALL, 2))


def test_its_shown_text_is_cut() -> None:
    given(*FIRST_TURN).when(failure("t1/1", open_items=(streaming("m1", "Hal"),))).then(
        ItemCut(ItemId("m1"), "message", "failed", "Hal"), reconnecting(1, 5)
    )


def test_details_follow_the_message() -> None:
    error = TurnError("500", None, "out of order")
    given(*FIRST_TURN).when(failure("t1/1", error=error)).then(
        ModelCallFailed(
            TurnError("Reconnecting... 1/5", None, "500 (out of order)"), "stream", True, 200
        )
    )


def test_the_budget_ends() -> None:
    past: tuple[Event, ...] = FIRST_TURN
    for attempt in (1, 2):
        failed = given(*past).when(failure("t1/1", attempt=attempt, attempts_max=2))
        failed.then(reconnecting(attempt, 2))
        past = (*past, *failed.events)
        past = (*past, *given(*past).when(again(attempt)).events)
    given(*past).when(failure("t1/1", attempt=3, attempts_max=2)).then(
        ModelCallFailed(BROKEN, "stream", False), TurnFailed(BROKEN)
    ).then_due()


def test_requests_and_streams_have_budgets_of_their_own() -> None:
    past: tuple[Event, ...] = FIRST_TURN
    for attempt, at in ((1, "request"), (2, "stream"), (3, "request")):
        failed = given(*past).when(failure("t1/1", attempt=attempt, at=at, attempts_max=2))
        assert isinstance(failed.events[0], ModelCallFailed)
        assert failed.events[0].will_retry
        past = (*past, *failed.events)
        past = (*past, *given(*past).when(again(attempt)).events)
    stream = given(*past).when(failure("t1/1", attempt=4, attempts_max=2))
    stream.then(reconnecting(2, 2))
    given(*past).when(failure("t1/1", attempt=4, at="request", attempts_max=2)).then(
        ModelCallFailed(BROKEN, "request", False), TurnFailed(BROKEN)
    )


def test_the_next_call_has_a_budget_of_its_own() -> None:
    past = (*FIRST_TURN, reconnecting(1, 1), calling("t1/1", 2), made("c1"), runs("c1", "ls"))
    past = (*past, ENDED, ended("c1"), calling("t1/2"))
    given(*past).when(failure("t1/2", attempts_max=1)).then(reconnecting(1, 1))


def test_an_error_that_stays_is_not_tried_again() -> None:
    refused = TurnError("no such model", "modelNotFound")
    given(*FIRST_TURN).when(failure("t1/1", at="request", retry=False, error=refused)).then(
        ModelCallFailed(refused, "request", False), TurnFailed(refused)
    ).then_due()


def test_a_budget_of_nothing_is_none() -> None:
    given(*FIRST_TURN).when(failure("t1/1", attempts_max=0)).then(
        ModelCallFailed(BROKEN, "stream", False), TurnFailed(BROKEN)
    )


def test_a_failed_thread_says_so_until_its_next_turn() -> None:
    failed = given(*FIRST_TURN).when(failure("t1/1", retry=False))
    assert failed.state.failed
    past = (*FIRST_TURN, *failed.events)
    assert not given(*past).when(ask(2)).state.failed


def test_a_call_made_before_the_stream_broke_is_answered_before_the_retry() -> None:
    past = (*FIRST_TURN, made("c1"), runs("c1", "ls"))
    failed = given(*past).when(failure("t1/1"))
    failed.then(reconnecting(1, 5)).then_due(RunTool(CallId("c1")))
    past = (*past, *failed.events)
    given(*past).when(again(1)).then()
    answered = given(*past).when(report_ended("c1"))
    answered.then(ended("c1")).then_due(AwaitRetry(CALL, 1, 200))
    past = (*past, *answered.events)
    retried = given(*past).when(again(1)).then(calling("t1/1", 2))
    given(*past, *retried.events).when(report("t1/1", FINISHED, attempt=2)).then(
        ENDED, TurnCompleted()
    )


def test_a_question_asked_before_the_stream_broke_stays_open() -> None:
    asked = given(*FIRST_TURN).when(report("t1/1", finished_call("c1", line("make")))).events
    failed = given(*FIRST_TURN, *asked).when(failure("t1/1"))
    failed.then(reconnecting(1, 5)).then_due()
    decline = answer(asked_about("c1", line("make")), "decline")
    given(*FIRST_TURN, *asked, *failed.events).when(decline).then_due(AwaitRetry(CALL, 1, 200))


def test_when_the_turn_fails_every_open_call_is_answered() -> None:
    past = (*FIRST_TURN, made("c1"), runs("c1", "ls"))
    given(*past).when(failure("t1/1", retry=False)).then(
        ModelCallFailed(BROKEN, "stream", False), ABANDONED, TurnFailed(BROKEN)
    ).then_due()
    asked = given(*FIRST_TURN).when(report("t1/1", finished_call("c1", line("make")))).events
    assert isinstance(asked[-1], ApprovalRequested)
    given(*FIRST_TURN, *asked).when(failure("t1/1", retry=False)).then(
        ModelCallFailed(BROKEN, "stream", False), ABANDONED, TurnFailed(BROKEN)
    )


@pytest.mark.parametrize(
    "late",
    [
        report("t1/1", finished_message("m1", "late"), FINISHED),
        failure("t1/1"),
        again(1),
        report("t1/9", FINISHED, attempt=2),
    ],
    ids=["an answer", "a failure", "the end of a wait", "of another call"],
)
def test_reports_of_an_attempt_that_is_over_change_nothing(late: c.Command) -> None:
    given(*FIRST_TURN, reconnecting(1, 5), calling("t1/1", 2)).when(late).then()


@pytest.mark.parametrize("late", [report("t1/1", FINISHED), failure("t1/1")])
def test_a_failed_attempt_cannot_report(late: c.Command) -> None:
    given(*FIRST_TURN, reconnecting(1, 5)).when(late).then()


def test_a_call_that_runs_is_not_tried_again() -> None:
    given(*FIRST_TURN).when(again(1)).then()


def test_limits_in_a_refusal_are_kept_when_they_have_changed() -> None:
    refused = failure("t1/1", retry=False, rate_limits=LIMITS)
    outcome = given(*FIRST_TURN).when(refused)
    outcome.then(ModelCallFailed(BROKEN, "stream", False, rate_limits=LIMITS), TurnFailed(BROKEN))
    assert outcome.state.rate_limits == LIMITS
    told = given(*FIRST_TURN, ModelCallEnded(5, rate_limits=LIMITS), calling("t1/2"))
    told.when(replace(refused, call_id=ModelCallId("t1/2"))).then(
        ModelCallFailed(BROKEN, "stream", False), TurnFailed(BROKEN)
    )


def test_limits_of_an_answer_are_kept_when_they_have_changed() -> None:
    first = report("t1/1", ModelResponseDone(duration_ms=5, rate_limits=LIMITS))
    past = (*FIRST_TURN, made("c1"), runs("c1", "ls"))
    told = given(*past).when(first).then(ModelCallEnded(5, rate_limits=LIMITS))
    past = (*past, *told.events, ended("c1"), calling("t1/2"))
    second = report("t1/2", ModelResponseDone(duration_ms=5, rate_limits=LIMITS))
    given(*past).when(second).then(ENDED, TurnCompleted())
    silent = report("t1/2", ModelResponseDone(duration_ms=5, rate_limits={}))
    assert given(*past).when(silent).then(ENDED, TurnCompleted()).state.rate_limits == LIMITS
