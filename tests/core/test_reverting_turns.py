"""Which turns may be reverted and restored, and the thread's state after it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import FINISHED, FIRST_TURN, ask, finished_message, report
from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.decide import decide
from codexd.core.decide.history import LOOK_AGAIN
from codexd.core.events.events import ContextAdded, Event
from codexd.core.events.history import (
    HistoryCompactionUndone,
    HistoryReverted,
    HistoryRevertUndone,
)
from codexd.core.state.state import fold
from codexd.core.values.ids import TurnId
from spec import given

BACK = c.RevertHistory(before_turn=TurnId("t1"), to_seq=0, turns=1, turns_left=0, markers=0)
REVERTED = HistoryReverted(TurnId("t1"), 0, 1, 0)


def a_turn() -> tuple[Event, ...]:
    """The first turn, from its beginning to its end."""
    done = decide(fold(FIRST_TURN), report("t1/1", finished_message("m1", "hello"), FINISHED))
    return (*FIRST_TURN, *done)


def test_a_turn_is_reverted() -> None:
    given(*a_turn()).when(BACK).then(REVERTED)


def test_and_restored() -> None:
    undo = c.UndoRevert(reverted_seq=9, turns=1, markers=1)
    given(*a_turn(), REVERTED).when(undo).then(HistoryRevertUndone(9, 1))


def test_a_compaction_is_undone() -> None:
    undo = c.UndoCompaction(compacted_seq=7, markers=0)
    given(*a_turn()).when(undo).then(HistoryCompactionUndone(7))


@pytest.mark.parametrize(
    "command",
    [
        BACK,
        c.UndoRevert(reverted_seq=9, turns=1, markers=0),
        c.UndoCompaction(compacted_seq=7, markers=0),
    ],
    ids=lambda command: type(command).__name__,
)
def test_while_a_turn_runs_nothing_is(command: c.Command) -> None:
    with pytest.raises(Rejected, match="interrupt it first") as refusal:
        decide(fold(FIRST_TURN), command)
    assert refusal.value.code == "turn_in_progress"


def test_a_lookup_from_before_another_marker_is_repeated() -> None:
    with pytest.raises(Rejected) as refusal:
        decide(fold((*a_turn(), REVERTED)), BACK)
    assert refusal.value.code == LOOK_AGAIN


@pytest.mark.parametrize(
    "marker", [REVERTED, HistoryRevertUndone(9, 1), HistoryCompactionUndone(7)]
)
def test_the_model_gets_its_environment_again(marker: Event) -> None:
    state = fold((*a_turn(), marker))
    told = [event for event in decide(state, ask(2)) if isinstance(event, ContextAdded)]
    assert [context.category for context in told] == ["environment"]
    before = [event for event in decide(fold(a_turn()), ask(2)) if isinstance(event, ContextAdded)]
    assert before == []


def test_the_context_has_the_size_that_the_marker_says() -> None:
    state = fold((*a_turn(), replace(REVERTED, tokens=4711)))
    assert state.window.context_tokens == 4711
    assert not state.window.full
    assert not state.failed
