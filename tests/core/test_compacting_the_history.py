"""Compacting the history: when a summary is requested, and what the model continues with."""

from __future__ import annotations

import msgspec
import pytest

from builders import ENVIRONMENT, ask, result, text
from builders import finished_message as message
from codexd.core import commands as c
from codexd.core.events.events import (
    ContextAdded,
    InputQueued,
    ModelCallEnded,
    ModelCallStarted,
    TurnStarted,
)
from codexd.core.events.history import CompactionStarted, HistoryCompacted
from codexd.core.prompts.compaction import COMPACTION_PROMPT, SUMMARY_PREFIX
from codexd.core.state.due import CallModel, due
from codexd.core.values.ids import ItemId, ModelCallId, TurnId
from codexd.core.values.model_output import ModelResponseDone
from codexd.core.values.provider_items import answer_text, text_message
from codexd.core.values.settings import SettingsChange
from codexd.runtime.actor.lookups import LookupSource
from compacted import (
    AROUND,
    SMALL,
    answer,
    answer_the_call,
    answered,
    call_a_tool,
    kinds,
    last,
    texts,
)
from random_thread import Play


def test_a_turn_that_begins_beyond_the_limit_compacts_first() -> None:
    play = answered(900)
    seen = len(play.records)
    play.do(ask(2, "and now?"))
    assert kinds(play, seen) == [
        "input.queued",
        "context.added",
        "turn.started",
        "compaction.started",
        "model.call_started",
    ]
    begun, call = last(play, CompactionStarted), play.events[-1]
    assert begun == CompactionStarted(
        ItemId("t2/compaction/1"), "auto", "limit", "pre_turn", COMPACTION_PROMPT, 900, begun.tokens
    )
    assert call == ModelCallStarted(ModelCallId("t2/1"), 1, "m-1", "p", "compact")
    assert due(play.state) == frozenset({CallModel(ModelCallId("t2/1"), 1)})


def test_its_question_holds_all_that_the_model_has_seen_and_nothing_new() -> None:
    play = answered(900)
    play.do(ask(2, "and now?"))
    asked = texts(play.requests[-1])
    assert asked[-2:] == ["Done.", COMPACTION_PROMPT]
    assert "and now?" not in asked


def test_the_model_continues_with_the_persons_words_the_summary_and_then_the_new_question() -> None:
    play = answered(900)
    play.do(ask(2, "and now?"))
    play.summarise("We were at work.")
    sent = texts(play.requests[-1])
    assert sent == [
        "question 1",
        f"{SUMMARY_PREFIX}\n\nWe were at work.",
        ENVIRONMENT.text,
        "and now?",
    ]
    done = last(play, HistoryCompacted)
    assert (done.trigger, done.window, done.summary) == ("auto", 1, "We were at work.")
    assert [(words.seq, words.truncated) for words in done.kept] == [(2, False)]
    assert last(play, ModelCallStarted).purpose == "turn"


def test_below_the_limit_nothing_is_compacted() -> None:
    play = answered(100)
    play.do(ask(2))
    assert all(not isinstance(event, CompactionStarted) for event in play.events)


def test_without_a_known_limit_nothing_is_compacted() -> None:
    play = Play(LookupSource())
    play.do(ask(1))
    answer(play, 10_000_000)
    play.do(ask(2))
    assert all(not isinstance(event, CompactionStarted) for event in play.events)


def test_a_turn_that_must_continue_compacts_when_its_tools_have_answered() -> None:
    play = Play(AROUND)
    play.do(ask(1, "look"))
    call_a_tool(play, 950)
    (call,) = play.turn.open_calls
    assert play.turn.compaction is None
    play.do(c.ReportToolEnded(call_id=call.call_id, result=result("a listing")))
    begun = last(play, CompactionStarted)
    assert (begun.phase, begun.reason) == ("mid_turn", "limit")
    asked = [msgspec.json.decode(request)["type"] for request in play.requests[-1]]
    assert asked == ["message", "message", "function_call", "function_call_output", "message"]


def test_within_a_turn_fresh_context_is_before_the_last_words_and_unanswered_items_are_last() -> (
    None
):
    play = answered(100)
    play.do(ask(2, "look"))
    call_a_tool(play, 950)
    answer_the_call(play)
    play.summarise("Looked.")
    sent = texts(play.requests[-1])
    assert sent == [
        "question 1",
        ENVIRONMENT.text,
        "look",
        f"{SUMMARY_PREFIX}\n\nLooked.",
        "function_call",
        "function_call_output",
    ]
    told = [event for event in play.events if isinstance(event, ContextAdded) and event.within]
    assert [item.text for item in told] == [ENVIRONMENT.text]
    answer(play, 300)
    play.do(ask(3, "and?"))
    assert texts(play.requests[-1])[-2:] == ["Done.", "and?"]  # The context is not told again.


def test_input_that_is_added_while_the_summary_is_written_is_after_it() -> None:
    play = answered(900)
    play.do(ask(2, "and now?"))
    play.do(
        c.SteerTurn(expected_turn=play.turn.turn_id, item_id=ItemId("s1"), content=text("quick"))
    )
    play.summarise("We were at work.")
    assert texts(play.requests[-1])[-2:] == ["and now?", "quick"]


def test_on_the_way_to_a_smaller_window_the_larger_model_is_asked() -> None:
    play = Play(AROUND)
    play.do(ask(1, change=SettingsChange(model="m-large")))
    answer(play, 2000)
    play.do(ask(2, "go on", change=SettingsChange(model="m-1")))
    begun, call = play.events[-2:]
    assert isinstance(begun, CompactionStarted)
    assert begun.reason == "model_downshift"
    assert begun.settings is not None
    assert begun.settings.model == "m-large"
    assert call == ModelCallStarted(ModelCallId("t2/1"), 1, "m-large", "p", "compact")
    play.summarise("So far.")
    assert last(play, ModelCallStarted).model == "m-1"


def test_by_hand_it_is_a_turn_of_its_own() -> None:
    play = answered(100)
    seen = len(play.records)
    play.do(c.CompactThread(turn_id=TurnId("k1")))
    play.summarise("So far.")
    assert kinds(play, seen) == [
        "turn.started",
        "compaction.started",
        "model.call_started",
        "model.item_completed",
        "model.call_ended",
        "history.compacted",
        "turn.completed",
    ]
    begun = last(play, CompactionStarted)
    assert (begun.trigger, begun.reason, begun.phase) == ("manual", "user", "standalone")
    play.do(ask(2, "and now?"))
    assert texts(play.requests[-1]) == [
        "question 1",
        f"{SUMMARY_PREFIX}\n\nSo far.",
        ENVIRONMENT.text,
        "and now?",
    ]


def test_nothing_can_be_added_to_a_compaction_and_the_next_turn_waits_for_it() -> None:
    play = answered(100)
    play.do(c.CompactThread(turn_id=TurnId("k1")))
    with pytest.raises(c.Rejected) as refused:
        play.do(
            c.SteerTurn(expected_turn=TurnId("k1"), item_id=ItemId("s1"), content=text("quick"))
        )
    assert refused.value.code == "turn_not_steerable"
    play.do(ask(2, "and now?"))
    assert isinstance(play.events[-1], InputQueued)
    play.summarise("So far.")
    assert play.turn.turn_id == "t2"


def test_by_hand_an_empty_history_is_compacted_without_a_request() -> None:
    play = Play(AROUND)
    play.do(c.CompactThread(turn_id=TurnId("k1")))
    assert [event.type for event in play.events[-3:]] == [
        "turn.started",
        "compaction.started",
        "turn.completed",
    ]


def test_by_hand_on_a_busy_thread_it_waits_for_its_turn_and_several_requests_are_one() -> None:
    play = Play(AROUND)
    play.do(ask(1))
    for n in (1, 2):
        play.do(c.CompactThread(turn_id=TurnId(f"k{n}")))
    play.do(ask(2))
    answer(play, 900)
    assert (play.turn.turn_id, play.turn.kind) == ("k1", "compact")
    before = len(play.events)
    play.do(c.CompactThread(turn_id=TurnId("k3")))
    assert len(play.events) == before
    play.summarise("So far.")
    assert play.turn.turn_id == "t2"


def test_an_earlier_summary_is_no_persons_words_and_is_not_kept() -> None:
    play = answered(900)
    play.do(ask(2, "and now?"))
    play.summarise("The first summary.")
    answer(play, 950, "Done. " * 200)
    play.do(ask(3, "still there?"))
    play.summarise("The second summary.")
    sent = texts(play.requests[-1])
    assert sent == [
        "question 1",
        "and now?",
        f"{SUMMARY_PREFIX}\n\nThe second summary.",
        ENVIRONMENT.text,
        "still there?",
    ]
    assert last(play, HistoryCompacted).window == 2


def test_words_that_look_like_a_summary_are_kept() -> None:
    play = Play(AROUND)
    mine = f"{SUMMARY_PREFIX}\n\nI only quote."
    play.do(ask(1, mine))
    answer(play, 950)
    play.do(ask(2))
    play.summarise("So far.")
    assert texts(play.requests[-1])[0] == mine


def test_the_summarys_tokens_do_not_count_as_the_histories() -> None:
    play = answered(900)
    play.do(ask(2, "and now?"))
    item = message("sum", "Short.")
    usage = msgspec.Raw(b'{"total_tokens":5000}')
    play.report(item, ModelResponseDone(duration_ms=5, usage=usage))
    assert play.state.window.context_tokens < 900
    assert last(play, ModelCallEnded).usage == usage
    size = sum(len(item) for item in last(play, HistoryCompacted).items)
    assert size // 4 <= play.state.window.context_tokens


def test_the_turn_is_begun_as_a_turn_of_compaction() -> None:
    play = answered(100)
    play.do(c.CompactThread(turn_id=TurnId("k1")))
    begun = last(play, TurnStarted)
    assert (begun.kind, begun.inputs, begun.limits) == ("compact", (), SMALL)


def test_the_bytes_of_a_text_are_those_of_the_projection() -> None:
    text = '{"type":"message","role":"user","content":[{"type":"input_text","text":"Grüße\\n"}]}'
    assert text_message("user", "Grüße\n") == text.encode()


def test_a_summary_takes_a_quarter_of_the_window_at_most() -> None:
    play = answered(900)
    play.do(ask(2, "and now?"))
    long = "word\n" * 10_000
    play.summarise(long)
    done = last(play, HistoryCompacted)
    assert done.summary == long.strip()
    assert len(done.items[-1]) < 1000 + len(SUMMARY_PREFIX) + 500
    assert b"tokens truncated" in bytes(done.items[-1])


@pytest.mark.parametrize(
    "item",
    [
        b"{}",
        b'{"type":"message"}',
        b'{"type":"message","content":null}',
        b'{"type":"message","content":7}',
        b'{"type":"message","content":[{"type":"refusal","refusal":"no"}]}',
        b'{"type":"message","content":[{"type":"output_text","text":" \\n"}]}',
        b'{"type":["message"],"content":"yes"}',
        b'{"type":"reasoning","content":"yes"}',
    ],
)
def test_a_response_without_an_answer_is_no_summary(item: bytes) -> None:
    assert answer_text(msgspec.Raw(item)) == ""


def test_an_answer_may_come_in_parts_or_as_a_text() -> None:
    parts = b'[{"type":"output_text","text":"So "},{"type":"output_text","text":"far."}]'
    assert answer_text(msgspec.Raw(b'{"type":"message","content":%b}' % parts)) == "So far."
    assert answer_text(msgspec.Raw(b'{"type":"message","content":"So far."}')) == "So far."
