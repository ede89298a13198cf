"""Live equals replayed: a client that attaches at any time ends with the same screen (law 6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from builders import ask
from codexd.core.events.events import TurnStarted
from codexd.core.state.state import fold
from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import ItemId
from codexd.core.values.items import CommandExecution, ThreadItem
from codexd.projections.clients.notifications import ClientProjection
from codexd.projections.clients.turns import TurnProjection
from codexd.projections.model.history import ModelHistory
from codexd.projections.usage.totals import Usage
from random_thread import INSTRUCTIONS, THREAD, TOOLS, Play, played
from reading import Reading

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=60)
FEW = settings(max_examples=40, deadline=None, derandomize=True)
pytestmark = pytest.mark.slow


def finish(play: Play) -> None:
    """Bring what is open to an end, so that screens can be compared."""
    if play.state.turn is not None:
        play.crash(resume=False)


@FEW
@given(RUNS)
def test_a_replay_of_the_log_shows_the_same_as_live(run: list[int]) -> None:
    play = played(run)
    wire, reader = ClientProjection(THREAD, Usage()), Reading()
    for recorded in play.records:
        reader.take(wire.apply(recorded))
    assert reader.screen() == play.live.screen()
    assert list(reader.items) == list(play.live.items)
    assert reader.turns == play.live.turns


@FEW
@given(RUNS)
def test_the_transcript_shows_the_same_as_live(run: list[int]) -> None:
    play = played(run)
    transcript = TurnProjection()
    for record in play.records:
        transcript.apply(record)
    items = [untimed(item) for turn in transcript.turns for item in turn.items]
    whole = {item.id: item for item in items if not is_open_session(item)}
    assert whole == play.live.screen()
    # A session has its place in its turn, and is whole later.
    assert [item for item in items if not is_session(item)] == [
        item for item in play.live.screen().values() if not is_session(item)
    ]
    ended = [f"{t.turn_id} {t.status}" for t in transcript.turns if t.status != "inProgress"]
    assert ended == play.live.ended


def here_before(play: Play) -> set[str]:
    """The items that are whole, and the sessions of turns that a late client never saw."""
    return {*play.live.items, *(process.call.call_id for process in play.state.processes)}


def others(reading: Reading, already: set[str]) -> dict[ItemId, ThreadItem]:
    return {i: item for i, item in reading.screen().items() if i not in already}


def is_session(item: ThreadItem) -> bool:
    return isinstance(item, CommandExecution) and item.source != "agent"


def is_open_session(item: ThreadItem) -> bool:
    return isinstance(item, CommandExecution) and item.status == "inProgress"


def untimed(item: ThreadItem) -> ThreadItem:
    return replace(item, started_at_ms=None, completed_at_ms=None)


@FEW
@given(RUNS, RUNS)
def test_a_late_client_sees_the_rest_whole(before: list[int], after: list[int]) -> None:
    play = played(before)
    already = here_before(play)
    late = play.join()
    for number in after:
        play.step(number)
    finish(play)
    assert others(late, already) == others(play.live, already)
    assert late.questions == play.live.questions


@pytest.mark.parametrize("away", [Play.leave_and_return, Play.fall_behind])
@FEW
@given(RUNS, RUNS, RUNS)
def test_a_client_that_was_away_misses_nothing_and_gets_nothing_twice(
    away: Callable[[Play, Reading], Callable[[], None]],
    before: list[int],
    meanwhile: list[int],
    after: list[int],
) -> None:
    """With a cursor after a lost connection, or behind a full socket."""
    play = played(before)
    reader = play.join()
    already = here_before(play)
    come_back = away(play, reader)
    for number in meanwhile:
        play.step(number)
    come_back()
    for number in after:
        play.step(number)
    finish(play)
    assert others(reader, already) == others(play.live, already)
    assert not reader.questions


@FEW
@given(RUNS)
def test_a_fold_that_starts_in_mid_turn_continues_as_the_live_fold(run: list[int]) -> None:
    """As when a daemon loads a thread: nothing of the turn so far is said, everything after it is."""
    play = played(run)
    if play.state.turn is None:
        return
    start = max(i for i, r in enumerate(play.records) if isinstance(r.event, TurnStarted))
    loaded = ClientProjection(THREAD, None)
    loaded.start_at(fold(play.events), play.records[start:])
    live = play.wire.copy()
    live.texts = loaded.texts.copy()  # Who loads a thread has seen no text of it.
    seen = len(play.records)
    finish(play)
    for recorded in play.records[seen:]:
        expected = [type(s).__name__ for s in live.apply(recorded)]
        assert [type(s).__name__ for s in loaded.apply(recorded)] == expected


@FEW
@given(RUNS)
def test_a_request_begins_with_the_request_before_it(run: list[int]) -> None:
    play = played(run)
    for before, called, request in play.followed:
        assert request[: len(before)] == before
        assert called.request is not None
        assert called.request.kept == len(before)


@FEW
@given(RUNS)
def test_a_replayed_history_prints_the_next_request_alike(run: list[int]) -> None:
    play = played(run)
    again, standing = ModelHistory(), Visibility(play.reverts)
    for recorded in play.records:
        said = standing.of(recorded.seq, recorded.event)
        again = again.after_all(said, recorded.seq)
    assert again.items == play.history.items
    assert again.print_request(INSTRUCTIONS, TOOLS) == play.history.print_request(
        INSTRUCTIONS, TOOLS
    )


def test_a_fold_that_starts_late_knows_the_queue() -> None:
    play = Play()
    for n in (1, 2, 3):
        play.do(ask(n))
    play.end_response()
    start = max(i for i, r in enumerate(play.records) if isinstance(r.event, TurnStarted))
    loaded, reader = ClientProjection(THREAD, None), Reading()
    loaded.start_at(fold(play.events), play.records[start:])
    seen = len(play.records)
    play.end_response()
    for recorded in play.records[seen:]:
        reader.take(loaded.apply(recorded))
    assert list(reader.items) == ["u3"]
