"""When a compaction fails: which errors are tried again, which are final, and that the history is unchanged."""

from __future__ import annotations

import msgspec

from builders import ABORTED, ENVIRONMENT, ask, line, text_item
from builders import finished_message as message
from codexd.core import commands as c
from codexd.core.decide.compaction import COMPACTIONS_IN_A_ROW_MAX, TOO_LONG
from codexd.core.decide.decide import decide
from codexd.core.events.events import (
    ItemCompleted,
    ModelCallFailed,
    ModelCallStarted,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)
from codexd.core.events.history import CompactionFailed, CompactionStarted, HistoryCompacted
from codexd.core.prompts.compaction import SUMMARY_PREFIX
from codexd.core.values.ids import ModelCallId
from codexd.core.values.items import TurnError
from codexd.core.values.model_output import ModelResponseDone
from compacted import (
    AROUND,
    answer,
    answer_the_call,
    answered,
    call_a_tool,
    last,
    texts,
)
from random_thread import Play


def test_an_answer_without_a_text_is_asked_for_once_more() -> None:
    play = answered(900)
    play.do(ask(2))
    play.summarise("")
    assert play.events[-1] == ModelCallStarted(ModelCallId("t2/2"), 1, "m-1", "p", "compact")
    play.summarise("We were at work.")
    assert last(play, HistoryCompacted).summary == "We were at work."


def test_without_a_text_again_the_turn_fails_and_the_history_is_as_it_was() -> None:
    play = answered(900)
    before = list(play.history.items)
    play.do(ask(2, "and now?"))
    play.summarise("")
    play.summarise("")
    failed, ended = play.events[-2:]
    assert isinstance(failed, CompactionFailed)
    assert ended == TurnFailed(failed.error)
    assert play.history.items[: len(before)] == before
    assert texts(play.history.items[len(before) :]) == [ENVIRONMENT.text, "and now?"]


def test_an_answer_of_the_turn_before_is_never_taken_for_a_summary() -> None:
    play = answered(900)
    play.do(ask(2))
    play.report(ModelResponseDone(duration_ms=5))
    play.report(ModelResponseDone(duration_ms=5))
    assert isinstance(play.events[-1], TurnFailed)


def test_half_an_answer_is_none() -> None:
    play = answered(900)
    play.do(ask(2))
    play.report(message("half", "We were"))
    play.fail()
    call = play.call
    play.do(c.RetryModelCall(call_id=call.call_id, attempt=call.attempt))
    assert play.call.compacts
    play.report(ModelResponseDone(duration_ms=5))
    assert all(not isinstance(event, HistoryCompacted) for event in play.events)


def test_a_call_in_the_answer_is_not_made() -> None:
    play = answered(900)
    play.do(ask(2))
    play.make_call(line("rm -rf /"))
    assert play.turn.open_calls == ()
    assert isinstance(play.events[-1], ItemCompleted)
    assert play.events[-1].kind == "other"


def test_another_failure_is_tried_again_and_then_the_turn_fails() -> None:
    play = answered(900)
    play.do(ask(2))
    play.fail(retry=False)
    assert isinstance(play.events[-2], CompactionFailed)
    assert isinstance(play.events[-1], TurnFailed)


def test_interrupted_it_leaves_the_history_as_it_was() -> None:
    play = answered(900)
    before = list(play.history.items)
    play.do(ask(2, "and now?"))
    play.do(c.InterruptTurn())
    assert isinstance(play.events[-1], TurnInterrupted)
    assert play.history.items[: len(before)] == before
    assert texts(play.history.items[len(before) :]) == [
        ENVIRONMENT.text,
        "and now?",
        ABORTED.text,
    ]


def test_after_a_restart_the_question_is_asked_again() -> None:
    play = answered(900)
    play.do(ask(2))
    play.crash()
    assert play.events[-1] == ModelCallStarted(ModelCallId("t2/1"), 2, "m-1", "p", "compact")


def test_a_question_too_long_leaves_out_the_oldest_and_says_how_many() -> None:
    play = answered(100, turns=2)
    play.do(ask(3))
    answer(play, 900)
    play.do(ask(4))
    whole = len(play.requests[-1])
    left_out = []
    for _ in range(2):
        play.refuse_for_length()
        failed = last(play, ModelCallFailed)
        assert failed.will_retry
        left_out.append(last(play, ModelCallStarted).left_out)
        assert f"{left_out[-1]} oldest items" in failed.error.message
        assert len(play.requests[-1]) == whole - left_out[-1]
    assert left_out == [1, 2]
    play.summarise("All that I could read.")
    assert last(play, HistoryCompacted).left_out == 2


def test_a_call_that_is_left_out_takes_its_answer_along() -> None:
    play = Play(AROUND)
    play.do(ask(1))
    call_a_tool(play, 950)
    answer_the_call(play)
    for _ in range(3):
        play.refuse_for_length()
    kept = [msgspec.json.decode(request)["type"] for request in play.requests[-1]]
    assert "function_call_output" not in kept


def test_with_nothing_left_to_leave_out_it_gives_up_and_the_window_counts_as_full() -> None:
    play = answered(900)
    play.do(ask(2))
    while isinstance(play.events[-1], ModelCallStarted):
        play.refuse_for_length()
    assert isinstance(play.events[-2], CompactionFailed)
    assert last(play, TurnFailed).error.codex_error_info == TOO_LONG
    assert play.state.window.full
    play.do(ask(3))
    assert last(play, CompactionStarted).reason == "window_exceeded"


def test_a_request_that_the_provider_finds_too_long_is_made_again_after_a_compaction() -> None:
    play = answered(100)
    play.do(ask(2, "look"))
    play.refuse_for_length()
    begun = last(play, CompactionStarted)
    assert (begun.phase, begun.reason) == ("mid_turn", "window_exceeded")
    play.summarise("So far.")
    assert texts(play.requests[-1])[-3:] == [
        ENVIRONMENT.text,
        "look",
        f"{SUMMARY_PREFIX}\n\nSo far.",
    ]
    answer(play, 200)
    assert isinstance(play.events[-1], TurnCompleted)


def test_more_than_two_in_a_row_without_an_answer_fail_the_turn() -> None:
    play = answered(100)
    play.do(ask(2))
    for _ in range(COMPACTIONS_IN_A_ROW_MAX):
        play.refuse_for_length()
        play.summarise("So far.")
    play.refuse_for_length()
    assert play.events[-1] == TurnFailed(TurnError("too long", TOO_LONG))
    play.do(ask(3))
    assert play.turn.compaction is not None  # A person who asks again gets another try.


def test_growth_in_between_gives_it_another_two() -> None:
    play = answered(100)
    play.do(ask(2))
    for _ in range(COMPACTIONS_IN_A_ROW_MAX + 2):
        play.refuse_for_length()
        play.summarise("So far.")
        call_a_tool(play, 100)
        answer_the_call(play, "a listing" * 100)
    assert play.call.compacts is False


def test_a_late_answer_decides_to_nothing() -> None:
    play = answered(900)
    play.do(ask(2))
    late = c.ReportModel(
        call_id=play.call.call_id, attempt=1, seen=(ModelResponseDone(duration_ms=1),)
    )
    play.do(c.InterruptTurn())
    assert decide(play.state, late) == []


def test_a_turn_that_stays_too_long_says_what_pins_take() -> None:
    play = answered(100)
    play.do(c.PinRecord(seq=2, items=(text_item("user", "x" * 400),)))
    play.do(ask(2))
    for _ in range(COMPACTIONS_IN_A_ROW_MAX):
        play.refuse_for_length()
        play.summarise("So far.")
    play.refuse_for_length()
    details = last(play, TurnFailed).error.additional_details
    assert details is not None
    assert "1 pins of about" in details
