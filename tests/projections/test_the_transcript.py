"""The transcript: turns and their items, as a screen shows the past."""

from __future__ import annotations

import msgspec

from builders import BROKEN, ask, finished_call, finished_thought, line, text
from codexd.core import commands as c
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import AgentMessage, CommandExecution, Reasoning, UserMessage
from codexd.core.values.model_output import ModelItemDone
from codexd.core.values.tool_actions import ToolResult
from codexd.projections.clients.turns import TurnProjection, TurnView
from codexd.protocol.turns import Turn
from random_thread import Play


def turns(play: Play) -> list[TurnView]:
    transcript = TurnProjection()
    for record in play.records:
        transcript.apply(record)
    return transcript.turns


def answered() -> Play:
    """Two turns: one that thought, ran a command and answered twice; one that runs."""
    play = Play()
    play.do(ask(1, "do it"))
    play.report(finished_thought("r1", "Hm."))
    play.open("m1")
    play.say("m1", "I look.")
    play.finish("m1")
    play.report(finished_call("c1", line("ls")))
    play.end_response()
    done = ToolResult("completed", "for the model", "a.py\n", 0, 12)
    play.do(c.ReportToolEnded(call_id=CallId("c1"), result=done))
    play.open("m2")
    play.say("m2", "Done.")
    play.finish("m2")
    play.end_response()
    play.do(ask(2, "again"))
    return play


def test_turns_have_their_items_in_the_order_of_their_completion() -> None:
    first, second = turns(answered())
    assert [type(item) for item in first.items] == [
        UserMessage,
        Reasoning,
        AgentMessage,
        CommandExecution,
        AgentMessage,
    ]
    assert [item.id for item in second.items] == ["u2"]
    assert (first.status, second.status) == ("completed", "inProgress")


def test_items_know_the_event_that_completed_them() -> None:
    play = answered()
    for turn in turns(play):
        assert turn.item_seqs == sorted(turn.item_seqs)
        assert all(turn.seq <= seq <= len(play.records) for seq in turn.item_seqs)


def test_a_turn_as_it_is_sent() -> None:
    play = answered()
    first, second = turns(play)
    ended_ms = next(r.at_ms for r in play.records if r.event.type == "turn.completed")
    assert first.turn() == Turn(
        id="t1",
        root_turn_id="t1",
        items=tuple(first.items),
        items_view="full",
        status="completed",
        started_at=first.started_ms // 1000,
        completed_at=ended_ms // 1000,
        duration_ms=ended_ms - first.started_ms,
    )
    running = second.turn()
    assert (running.completed_at, running.duration_ms, running.error) == (None, None, None)


def test_a_summary_is_the_prompt_and_the_last_answer() -> None:
    first, second = turns(answered())
    assert [getattr(item, "id", "") for item in first.turn("summary").items] == ["u1", "m2"]
    assert [getattr(item, "id", "") for item in second.turn("summary").items] == ["u2"]
    assert first.turn("notLoaded").items == ()


def test_an_interrupted_turn_keeps_its_shown_text() -> None:
    play = Play()
    play.do(ask(1))
    play.open("m1")
    play.say("m1", "Half an ans")
    play.report(finished_call("c1", line("make")))
    play.do(c.InterruptTurn(open_items=play.open_items()))
    [turn] = turns(play)
    assert turn.status == "interrupted"
    partial, command = turn.items[1], turn.items[2]
    assert isinstance(partial, AgentMessage)
    assert (partial.text, partial.phase) == ("Half an ans", "partial_answer")
    assert isinstance(command, CommandExecution)
    assert command.status == "failed"


def test_a_failed_turn_keeps_its_error() -> None:
    play = Play()
    play.do(ask(1))
    play.open("m1")
    play.say("m1", "Half")
    play.fail(retry=False)
    [turn] = turns(play)
    assert (turn.status, turn.error, turn.turn().error) == ("failed", BROKEN, BROKEN)
    assert [item.id for item in turn.items] == ["u1", "m1"]


def test_the_daemons_own_words_are_not_shown() -> None:
    play = Play()
    play.do(ask(1))
    play.do(c.InterruptTurn())
    play.do(ask(2, "<environment_context>typed</environment_context>"))
    shown = [item for turn in turns(play) for item in turn.items]
    assert [item.id for item in shown] == ["u1", "u2"]
    assert isinstance(shown[1], UserMessage)
    assert shown[1].content == text("<environment_context>typed</environment_context>")


def test_a_run_of_whole_turns_shows_the_same_as_all_of_them() -> None:
    play = answered()
    whole = turns(play)
    start = whole[1].seq
    queued = [r for r in play.records[: start - 1] if r.event.type == "input.queued"]
    part = TurnProjection()
    for record in [*queued, *play.records[start - 1 :]]:
        part.apply(record)
    assert part.turns == whole[1:]


def test_a_refusal_is_the_models_text() -> None:
    play = Play()
    play.do(ask(1))
    refusal = b'{"id":"m1","type":"message","content":[{"type":"refusal","refusal":"No."}]}'
    item = ModelItemDone(ItemId("m1"), "message", msgspec.Raw(refusal))
    play.report(item)
    [turn] = turns(play)
    assert getattr(turn.items[-1], "text", "") == "No."
