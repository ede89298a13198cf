"""What was used: request by request, by turn, and in sums that are kept by day, model and kind."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from builders import ENDED, FIRST_TURN, SETTINGS, STARTED, begun, calling, queued
from codexd.core.events.events import (
    Event,
    ModelCallFailed,
    ModelCallStarted,
    ThreadForked,
    TurnCompleted,
)
from codexd.core.events.record import Recorded
from codexd.core.events.title import TitleEnded, TitleRequested
from codexd.core.values.ids import ModelCallId, ThreadId
from codexd.core.values.items import TurnError
from codexd.core.values.usage import Tokens
from codexd.projections.summary import Summary
from codexd.projections.usage.spent import DAY_MS, Spent, UsageByDay, UsageByTurn

OTHER = SETTINGS.__class__(**{**msgspec.structs.asdict(SETTINGS), "model": "m-2"})
FAILED = ModelCallFailed(TurnError("x"), "stream", True)
COMPACTING = replace(calling("t1/2"), purpose="compact")


def used(tokens_in: int, tokens_out: int, cached: int = 0) -> Event:
    said = {
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "input_tokens_details": {"cached_tokens": cached},
    }
    return replace(ENDED, usage=msgspec.Raw(msgspec.json.encode(said)))


def recorded(*events: Event, at_ms: int = 1000) -> list[Recorded]:
    return [Recorded(seq, at_ms, event, turn="t") for seq, event in enumerate(events, 1)]


def spending(*events: Event) -> UsageByDay:
    folded = UsageByDay()
    for record in recorded(*events):
        folded = folded.after(record)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(folded), type=UsageByDay) == folded
    return folded


def rows(*events: Event) -> list[tuple[str, str, int, int, int]]:
    """Turn, kind, answered and failed requests, and tokens in all."""
    costs = UsageByTurn()
    for record in recorded(*events):
        costs.apply(record)
    return [
        (
            row.turn_id,
            row.kind,
            sum(spent.requests for spent in row.sums),
            sum(spent.failed for spent in row.sums),
            sum(spent.tokens.total_tokens for spent in row.sums),
        )
        for row in costs.rows
    ]


def test_a_request_counts_for_the_model_that_was_asked() -> None:
    asked_another = ModelCallStarted(ModelCallId("t2/1"), 1, "m-2", "q")
    folded = spending(*FIRST_TURN, used(5, 2, 1), TurnCompleted(), asked_another, used(7, 3))
    assert folded.sums == (
        Spent(0, "p", "m-1", "turn", requests=1, tokens=Tokens(7, 5, 1, 0, 2, 0)),
        Spent(0, "q", "m-2", "turn", requests=1, tokens=Tokens(10, 7, 0, 0, 3, 0)),
    )


def test_requests_of_one_day_model_and_kind_are_one_sum() -> None:
    again = (calling("t1/2"), used(9, 1))
    [spent] = spending(*FIRST_TURN, used(5, 2), *again, calling("t1/3"), FAILED, ENDED).sums
    assert spent == Spent(
        0, "p", "m-1", "turn", requests=3, failed=1, unsaid=1, tokens=Tokens(17, 14, 0, 0, 3, 0)
    )


def test_summaries_days_and_long_inputs_are_separate() -> None:
    summed = spending(*FIRST_TURN, used(5, 2), COMPACTING, used(300_000, 4))
    assert [(use.kind, use.long) for use in summed.sums] == [("turn", False), ("compact", True)]
    [later] = recorded(used(1, 1), at_ms=3 * DAY_MS)
    assert [spent.day for spent in summed.after(later).sums] == [0, 0, 3]


def test_a_review_is_a_kind_of_its_own() -> None:
    reviewing = replace(begun(1), kind="review")
    [spent] = spending(STARTED, reviewing, calling("t1/1"), used(5, 2)).sums
    assert spent.kind == "review"


def test_a_title_is_a_kind_of_its_own_and_of_no_turn_that_runs_meanwhile() -> None:
    title = (TitleRequested("go", "m-9", "p"), TitleEnded(5, msgspec.Raw(b'{"total_tokens":9}')))
    asked, answered = title
    turn = (STARTED, queued(1), begun(1), asked, calling("t1/1"), answered, used(5, 2))
    assert [(use.kind, use.model, use.tokens.total_tokens) for use in spending(*turn).sums] == [
        ("title", "m-9", 9),
        ("turn", "m-1", 7),
    ]
    [failed] = spending(STARTED, asked, TitleEnded(error="no answer")).sums
    assert (failed.kind, failed.requests, failed.failed) == ("title", 0, 1)


def test_an_answer_without_a_model_counts_for_the_turns_model() -> None:
    """An import has such."""
    [spent] = spending(STARTED, replace(begun(1), settings=OTHER), used(5, 2)).sums
    assert (spent.model, spent.requests) == ("m-2", 1)


def test_inherited_usage_belongs_to_the_parent() -> None:
    inherited = (*FIRST_TURN, used(5, 2), TurnCompleted(), ThreadForked(ThreadId("p"), 7))
    assert spending(*inherited).sums == ()
    own = (queued(2), begun(2), calling("t2/1"), used(9, 1))
    [spent] = spending(*inherited, *own).sums
    assert (spent.model, spent.requests, spent.tokens.total_tokens) == ("m-1", 1, 10)
    assert rows(*inherited, *own) == [("t2", "turn", 1, 0, 10)]


def test_events_without_requests_change_nothing() -> None:
    folded = spending(*FIRST_TURN)
    [other] = recorded(queued(2))
    assert folded.after(other) is folded


def test_a_list_has_the_usage_of_each_thread() -> None:
    summary = Summary()
    for record in recorded(*FIRST_TURN, used(5, 2)):
        summary.apply(record)
    assert summary.spending == spending(*FIRST_TURN, used(5, 2))


def test_each_turn_has_a_row_and_its_summary_another() -> None:
    first = (*FIRST_TURN, used(5, 2), COMPACTING, used(8, 1), calling("t1/3"), FAILED)
    second = (calling("t1/3", 2), used(2, 2), TurnCompleted(), queued(2), begun(2))
    assert rows(*first, *second, calling("t2/1"), used(1, 1)) == [
        ("t1", "turn", 2, 1, 11),
        ("t1", "compact", 1, 0, 9),
        ("t2", "turn", 1, 0, 2),
    ]


def test_a_turn_without_requests_has_no_row() -> None:
    assert rows(STARTED, queued(1), begun(1), TurnCompleted()) == []
