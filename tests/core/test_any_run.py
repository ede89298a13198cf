"""Any run: invariants over any sequence of people's, models' and tools' actions and crashes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core import commands as c
from codexd.core.decide.decide import decide
from codexd.core.decide.transition import Transition
from codexd.core.events.events import Event, ModelCallStarted, decode_event, encode_event
from codexd.core.events.history import HistoryCompacted
from codexd.core.state.due import CallModel, due
from codexd.core.state.state import ThreadState, fold
from codexd.core.state.visibility import Visibility
from codexd.core.values.model_output import ModelResponseDone
from codexd.projections.model.history import ModelHistory
from random_thread import Play

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=60)
FEW = settings(max_examples=60, deadline=None, derandomize=True)
pytestmark = pytest.mark.slow


class _Item(msgspec.Struct):
    type: str
    call_id: str = ""


def moves_on(state: ThreadState) -> bool:
    """Whether something is under way, a person is asked, or there is nothing to do."""
    if state.turn is None:
        return state.archived or not state.queue
    return bool(due(state)) or any(call.approval_id for call in state.turn.open_calls)


@FEW
@given(RUNS)
def test_it_never_stops_with_work_to_do(run: list[int]) -> None:
    play = Play()
    for number in run:
        play.step(number)
        assert moves_on(play.state)


@FEW
@given(RUNS)
def test_the_state_is_the_fold_of_what_is_in_the_log(run: list[int]) -> None:
    play = Play()
    for number in run:
        play.step(number)
    read = [decode_event(e.type, e.v, encode_event(e)) for e in play.events]
    assert fold(read) == play.state
    transition = Transition(ThreadState())
    for event in play.events:
        transition.add(event)
    assert transition.state == play.state


@FEW
@given(RUNS)
def test_when_the_model_is_called_every_call_before_has_its_answer(run: list[int]) -> None:
    play = Play()
    for number in run:
        play.step(number)
    for request in play.requests:
        open_calls: set[str] = set()
        answered: set[str] = set()
        for item in (msgspec.json.decode(item, type=_Item) for item in request):
            if item.type == "function_call":
                assert item.call_id not in open_calls | answered
                open_calls.add(item.call_id)
            elif item.type == "function_call_output":
                open_calls.remove(item.call_id)
                answered.add(item.call_id)
        assert not open_calls


@FEW
@given(RUNS, st.integers(0, 10_000), st.booleans())
def test_a_log_that_ends_anywhere_can_be_resumed(run: list[int], end: int, resume: bool) -> None:
    play = Play()
    for number in run:
        play.step(number)
    kept = play.events[: end % (len(play.events) + 1)]
    state = fold(kept)
    after = fold(decide(state, c.Recover(resume=resume)), state)
    if not state.archived:
        assert moves_on(after)
    if not resume:
        assert after.turn is None or after.turns_started > state.turns_started


@FEW
@given(RUNS)
def test_a_late_report_of_any_call_decides_to_nothing(run: list[int]) -> None:
    play = Play()
    for number in run:
        play.step(number)
    running = {(e.call_id, e.attempt) for e in due(play.state) if isinstance(e, CallModel)}
    for call in play.events:
        if isinstance(call, ModelCallStarted) and (call.call_id, call.attempt) not in running:
            over = ModelResponseDone(duration_ms=1)
            late = c.ReportModel(call_id=call.call_id, attempt=call.attempt, seen=(over,))
            assert decide(play.state, late) == []


@FEW
@given(RUNS)
def test_a_replay_ends_with_the_same_history(run: list[int]) -> None:
    play = Play()
    for number in run:
        play.step(number)
    again, standing = ModelHistory(), Visibility(play.reverts)
    for recorded in play.records:
        said = standing.of(recorded.seq, recorded.event)
        again = again.after_all(said, recorded.seq)
    assert again.items == play.history.items
    assert again.compaction_keep == play.history.compaction_keep


@FEW
@given(RUNS)
def test_every_compaction_keeps_pinned_records(run: list[int]) -> None:
    play = Play()
    for number in run:
        before = len(play.events)
        play.step(number)
        pins = play.history.compaction_keep.pins
        assert sorted(pin.seq for pin in play.state.pins) == [pin.seq for pin in pins]
        if any(isinstance(event, HistoryCompacted) for event in play.events[before:]):
            for item in (item for pin in pins for item in pin.items):
                assert play.history.items.count(item) >= 1


def test_runs_are_not_all_alike() -> None:
    """The moves do reach every kind of event but those of the log and of archives."""
    seen: set[type[Event]] = set()
    for seed in range(60):
        play = Play()
        number = seed
        for _ in range(40):
            number = number * 1_103_515_245 + 12_345 & 0x7FFFFFFF
            play.step(number >> 8)
        seen |= {type(event) for event in play.events}
    assert len(seen) >= 24, seen
