"""Recovering after a crash, from every state that a dead daemon may have left."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    ENDED,
    ENVIRONMENT,
    FINISHED,
    FIRST_TURN,
    STARTED,
    aborted,
    answer,
    approval,
    asked_about,
    begun,
    calling,
    ended,
    failure,
    line,
    made,
    queued,
    report,
    runs,
    said,
    streaming,
    text,
)
from codexd.core import commands as c
from codexd.core.decide.effect_reports import RESTARTED
from codexd.core.events.events import (
    Event,
    ItemCut,
    LogRepaired,
    ModelCallFailed,
    ThreadForked,
    TurnCompleted,
    TurnInterrupted,
    TurnSteered,
)
from codexd.core.events.tools import ApprovalDecided, ToolEnded, ToolStarted
from codexd.core.state.due import AwaitRetry, CallModel, RunTool
from codexd.core.values.ids import CallId, ItemId, ModelCallId, ThreadId
from codexd.core.values.items import TurnError
from codexd.core.values.tool_actions import ToolResult, UnreadAction
from spec import given

CALL = ModelCallId("t1/1")
ASKED_AGAIN = ModelCallFailed(
    TurnError("the daemon was restarted; the model is asked again"), "restart", True
)
CUT = ItemCut(ItemId("m1"), "message", "restarted", "so far")
LOST = ToolEnded(CallId("c1"), ToolResult("aborted", RESTARTED))
QUESTION = asked_about("c2", line("make"))
IDLE = (*FIRST_TURN, ENDED, TurnCompleted())
IN_A_COMMAND = (*FIRST_TURN, made("c1"), runs("c1", "ls"), ENDED)
ADOPTED = replace(runs("c1", "ls"), again="adopt")
# An action of another version: whether it may still run is not known.
UNKNOWN = ToolStarted(CallId("c1"), UnreadAction('{"kind":"fly"}'))
IN_A_CALL = (*FIRST_TURN, made("c1"), UNKNOWN, ENDED)
ASKING = (*FIRST_TURN, made("c2"), QUESTION, ENDED)
BACKING_OFF = (*FIRST_TURN, *given(*FIRST_TURN).when(failure("t1/1")).events)
FORKED = ThreadForked(ThreadId("parent"), 5)


@pytest.mark.parametrize("past", [(), (STARTED,), IDLE], ids=["empty", "started", "idle"])
def test_where_nothing_was_open_nothing_happens(past: tuple[Event, ...]) -> None:
    given(*past).when(c.Recover()).then().then_due()


def test_in_mid_answer_the_model_is_asked_again() -> None:
    given(*FIRST_TURN).when(c.Recover(open_items=(streaming("m1"),))).then(
        CUT, ASKED_AGAIN, calling("t1/1", 2)
    ).then_due(CallModel(CALL, 2))


def test_a_restart_takes_nothing_from_the_budget_of_retries() -> None:
    again = given(*FIRST_TURN).when(c.Recover()).events
    outcome = given(*FIRST_TURN, *again).when(failure("t1/1", attempt=2, attempts_max=1))
    assert isinstance(outcome.events[0], ModelCallFailed)
    assert outcome.events[0].error.message == "Reconnecting... 1/1"


def test_a_command_is_adopted() -> None:
    given(*IN_A_COMMAND).when(c.Recover()).then(ADOPTED).then_due(RunTool(CallId("c1")))


def test_a_command_is_adopted_and_the_broken_answer_waits_for_it() -> None:
    given(*IN_A_COMMAND[:-1]).when(c.Recover(open_items=(streaming("m1"),))).then(
        CUT, ADOPTED, ASKED_AGAIN
    ).then_due(RunTool(CallId("c1")))


def test_in_another_call_the_model_learns_that_the_result_is_not_known() -> None:
    given(*IN_A_CALL).when(c.Recover()).then(LOST, calling("t1/2"))


def test_in_another_call_while_the_model_still_answered() -> None:
    given(*IN_A_CALL[:-1]).when(c.Recover(open_items=(streaming("m1"),))).then(
        CUT, LOST, ASKED_AGAIN, calling("t1/1", 2)
    )


def test_a_call_that_was_made_and_not_started_is_answered_too() -> None:
    given(*FIRST_TURN, made("c1")).when(c.Recover()).then(LOST, ASKED_AGAIN, calling("t1/1", 2))


def test_a_call_that_was_allowed_and_not_started_is_answered_too() -> None:
    allowed = ApprovalDecided(approval("t1"), "accept")
    lost = replace(LOST, call_id=CallId("c2"))
    given(*ASKING, allowed).when(c.Recover()).then(lost, calling("t1/2"))


def test_a_question_stays_open() -> None:
    given(*ASKING).when(c.Recover()).then().then_due()
    accept = answer(QUESTION, "accept")
    given(*ASKING).when(accept).then(ApprovalDecided(approval("t1"), "accept"), runs("c2", "make"))


def test_a_question_stays_open_and_the_broken_answer_waits_for_it() -> None:
    recovered = given(*ASKING[:-1]).when(c.Recover())
    recovered.then(ASKED_AGAIN).then_due()
    past = (*ASKING[:-1], *recovered.events)
    decline = answer(QUESTION, "decline")
    declined = given(*past).when(decline).then_due(AwaitRetry(CALL, 1, 0))
    retry = c.RetryModelCall(call_id=CALL, attempt=1)
    given(*past, *declined.events).when(retry).then(calling("t1/1", 2))


def test_a_wait_before_a_retry_begins_again() -> None:
    given(*BACKING_OFF).when(c.Recover()).then().then_due(AwaitRetry(CALL, 1, 200))


def test_a_call_that_a_retry_waited_for_is_answered() -> None:
    past = (*FIRST_TURN, made("c1"), UNKNOWN)
    past = (*past, *given(*past).when(failure("t1/1")).events)
    given(*past).when(c.Recover()).then(LOST).then_due(AwaitRetry(CALL, 1, 200))


def test_input_that_waits_still_waits() -> None:
    given(*FIRST_TURN, queued(2)).when(c.Recover()).then(ASKED_AGAIN, calling("t1/1", 2))


def test_input_whose_turn_was_not_begun_begins_it() -> None:
    given(STARTED, queued(1)).when(c.Recover()).then(ENVIRONMENT, begun(1), calling("t1/1"))
    given(STARTED, queued(1), ENVIRONMENT).when(c.Recover()).then(begun(1), calling("t1/1"))
    given(*FIRST_TURN[:-1]).when(c.Recover()).then(calling("t1/1"))


def test_between_two_calls_the_next_is_made() -> None:
    given(*IN_A_COMMAND, ended("c1")).when(c.Recover()).then(calling("t1/2"))
    given(*FIRST_TURN, ENDED).when(c.Recover()).then(TurnCompleted())
    steered = TurnSteered(ItemId("s"), text("more"))
    given(*FIRST_TURN, steered, ENDED).when(c.Recover()).then(calling("t1/2"))


def test_interrupt_on_restart_ends_the_turn_and_the_queue_continues() -> None:
    recover = c.Recover(resume=False, open_items=(streaming("m1"),))
    given(*FIRST_TURN, made("c1"), runs("c1", "ls"), queued(2)).when(recover).then(
        CUT, aborted("c1"), ABORTED, TurnInterrupted("restarted"), begun(2), calling("t2/1")
    )
    given(*ASKING).when(recover).then(aborted("c2"), ABORTED, TurnInterrupted("restarted"))
    given(*BACKING_OFF).when(recover).then(CUT, ABORTED, TurnInterrupted("restarted"))
    given(*IDLE).when(c.Recover(resume=False)).then()


def test_a_torn_tail_is_recorded_first() -> None:
    given(*FIRST_TURN).when(c.Recover(repaired="12 bytes")).then(
        LogRepaired("12 bytes"), ASKED_AGAIN, calling("t1/1", 2)
    )
    given(*IDLE).when(c.Recover(repaired="12 bytes")).then(LogRepaired("12 bytes"))


def test_a_draft_whose_item_has_its_fact_is_dropped() -> None:
    left = (streaming("m1", "Whole.", 7),)
    given(*FIRST_TURN, said("m1", "Whole.", 7)).when(c.Recover(open_items=left)).then(
        ASKED_AGAIN, calling("t1/1", 2)
    )
    whole = (*FIRST_TURN, said("m1", "Whole.", 7), ENDED, TurnCompleted())
    given(*whole).when(c.Recover(open_items=left)).then()


def test_a_draft_is_dropped_though_the_append_with_its_fact_began_the_next_turn() -> None:
    left = (streaming("m1", "Whole.", 7),)
    whole = (*FIRST_TURN, queued(2), said("m1", "Whole.", 7), ENDED, TurnCompleted(), begun(2))
    given(*whole, calling("t2/1")).when(c.Recover(open_items=left)).then(
        ASKED_AGAIN, calling("t2/1", 2)
    )


def test_a_crash_in_recovery_cuts_nothing_twice() -> None:
    recover = c.Recover(open_items=(streaming("m1", "so far", 7),))
    first = given(*FIRST_TURN).when(recover)
    first.then(replace(CUT, started_ms=7), ASKED_AGAIN, calling("t1/1", 2))
    given(*FIRST_TURN, *first.events).when(recover).then(ASKED_AGAIN, calling("t1/1", 3))


def test_an_id_that_comes_again_in_another_attempt_is_another_item() -> None:
    first = given(*FIRST_TURN).when(c.Recover(open_items=(streaming("m1", "so far", 7),))).events
    again = c.Recover(open_items=(streaming("m1", "so far", 8),))
    given(*FIRST_TURN, *first).when(again).then(
        replace(CUT, started_ms=8), ASKED_AGAIN, calling("t1/1", 3)
    )


def test_a_fork_in_mid_turn_ends_the_turn_here() -> None:
    past = (*IN_A_COMMAND, queued(2), FORKED)
    given(*past).due()
    given(*past).when(c.Recover(forked=True)).then(
        aborted("c1"), ABORTED, TurnInterrupted("forked")
    ).then_due()


def test_a_fork_that_died_before_it_was_settled_is_settled_by_the_next() -> None:
    given(*FIRST_TURN, FORKED).when(c.Recover()).then(ABORTED, TurnInterrupted("forked"))


def test_a_fork_between_turns_is_at_rest() -> None:
    forked = given(*IDLE, FORKED).when(c.Recover(forked=True)).then()
    assert forked.state.parent == "parent"


def test_a_fork_takes_neither_queue_nor_permissions_along() -> None:
    accept = answer(QUESTION, "acceptForSession")
    allowed = given(*ASKING).when(accept).events
    state = given(*ASKING, *allowed, queued(2), FORKED).when(c.Recover(forked=True)).state
    assert (state.queue, state.allowed_for_session, state.turn) == ((), frozenset(), None)


def test_after_recovery_the_turn_completes() -> None:
    again = given(*FIRST_TURN).when(c.Recover()).events
    given(*FIRST_TURN, *again).when(report("t1/1", FINISHED, attempt=2)).then(
        ENDED, TurnCompleted()
    )
