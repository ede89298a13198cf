"""A response that ends early: items that still streamed are cut, and the turn fails with the reason, or continues."""

from __future__ import annotations

from builders import (
    FINISHED,
    FIRST_TURN,
    answer,
    ask,
    asked_about,
    calling,
    ended,
    finished_call,
    finished_message,
    line,
    made,
    report,
    report_ended,
    runs,
    said,
)
from codexd.core.events.events import Event, ItemCut, ModelCallEnded, TurnCompleted, TurnFailed
from codexd.core.events.history import CompactionFailed, HistoryCompacted
from codexd.core.events.tools import ApprovalRequested
from codexd.core.state.due import RunTool
from codexd.core.state.turn import CONTINUATIONS_MAX
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import TurnError
from codexd.core.values.model_output import ModelItemDone, ModelResponseDone
from compacted import answered
from spec import given

EARLY = ModelResponseDone(duration_ms=5, incomplete="max_output_tokens")
CUT = ModelCallEnded(5, incomplete="max_output_tokens")
FAILED = TurnFailed(
    TurnError(
        "The model's answer was cut off by its provider (max_output_tokens); what had come by then is kept.",
        "other",
        "incomplete: max_output_tokens",
    )
)


def test_an_item_that_was_never_finished_is_cut() -> None:
    given(*FIRST_TURN).when(report("t1/1", EARLY, left="m1")).then(
        ItemCut(ItemId("m1"), "message", "failed", "so far"), CUT, FAILED
    ).then_due()


def test_an_item_finished_in_the_same_read_is_whole() -> None:
    whole = said("m1", "so far")
    finished = ModelItemDone(whole.item_id, whole.kind, whole.item)
    given(*FIRST_TURN).when(report("t1/1", finished, EARLY, left="m1")).then(whole, CUT, FAILED)


def test_the_next_turn_is_as_any_other() -> None:
    past = (*FIRST_TURN, CUT, FAILED)
    assert given(*past).when(ask(2)).refusal is None


def test_a_call_that_came_whole_runs_and_the_model_continues() -> None:
    past = (*FIRST_TURN, made("c1"), runs("c1", "ls"))
    cut = given(*past).when(report("t1/1", EARLY))
    cut.then(CUT).then_due(RunTool(CallId("c1")))
    given(*past, *cut.events).when(report_ended("c1")).then(ended("c1"), calling("t1/2"))
    ran = (*past, ended("c1"))
    given(*ran).when(report("t1/1", EARLY)).then(CUT, calling("t1/2"))


def test_a_question_about_such_a_call_stays_open() -> None:
    asked = given(*FIRST_TURN).when(report("t1/1", finished_call("c1", line("make")), EARLY))
    assert isinstance(asked.events[1], ApprovalRequested)
    assert asked.events[-1] == CUT
    declined = answer(asked_about("c1", line("make")), "decline")
    assert given(*FIRST_TURN, *asked.events).when(declined).events[-1] == calling("t1/2")


def test_half_a_summary_is_not_used_and_the_history_stays() -> None:
    play = answered(900)
    before = list(play.history.items)
    play.do(ask(2))
    play.report(finished_message("half", "We were"), EARLY)
    failed, ended_ = play.events[-2:]
    assert isinstance(failed, CompactionFailed)
    assert failed.error.message == (
        "The model's summary was cut off by its provider (max_output_tokens); it is not used: "
        "the history stays."
    )
    assert ended_ == TurnFailed(failed.error)
    assert all(not isinstance(event, HistoryCompacted) for event in play.events)
    assert play.history.items[: len(before)] == before


def test_a_model_that_has_more_to_say_is_asked_again_until_it_has_not() -> None:
    more = ModelResponseDone(duration_ms=5, end_turn=False)
    going = ModelCallEnded(5, end_turn=False)
    given(*FIRST_TURN).when(report("t1/1", more)).then(going, calling("t1/2"))
    past = (*FIRST_TURN, going, calling("t1/2"))
    last = ModelResponseDone(duration_ms=5, end_turn=True)
    given(*past).when(report("t1/2", last)).then(ModelCallEnded(5), TurnCompleted())
    given(*past).when(report("t1/2", FINISHED)).then(ModelCallEnded(5), TurnCompleted())


def test_a_model_that_never_ends_its_turn_is_not_asked_without_end() -> None:
    going = ModelCallEnded(5, end_turn=False)
    past: list[Event] = list(FIRST_TURN)
    for n in range(1, CONTINUATIONS_MAX + 1):
        past += [going, calling(f"t1/{n + 1}")]
    more = ModelResponseDone(duration_ms=5, end_turn=False)
    given(*past).when(report(f"t1/{CONTINUATIONS_MAX + 1}", more)).then(going, TurnCompleted())
