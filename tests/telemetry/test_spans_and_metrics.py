"""Turns, model calls and tools as spans and as metrics."""

from __future__ import annotations

from msgspec.structs import replace

from builders import BROKEN, ENDED, STARTED, begun, calling, ended, made, queued, runs
from codexd.core.events import events as e
from codexd.core.events.events import Event
from codexd.core.values.exchange import Exchange
from codexd.core.values.trace import SpanPlace, call_place, read_traceparent, tool_place, turn_place
from codexd.telemetry.signals.aggregation import OVERFLOW, SERIES_MAX, added_up
from codexd.telemetry.signals.items import Measurement, Span
from codexd.telemetry.signals.measurements import METRICS, Measurements
from codexd.telemetry.signals.spans import Spans, is_sampled
from telemetry_house import BEGUN, NOON_MS, THREAD, fold

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TURN: tuple[Event, ...] = (
    *BEGUN,
    calling("t1/1"),
    made("c1"),
    runs("c1", "ls"),
    ENDED,
    ended("c1"),
    e.TurnCompleted(),
)


def spans_of(*events: Event, ratio: float = 1.0) -> list[Span]:
    items = fold(Spans({}, ratio), *events)
    assert all(isinstance(item, Span) for item in items)
    return [item for item in items if isinstance(item, Span)]


def test_a_span_has_its_place_and_its_time() -> None:
    call, tool, turn = spans_of(*TURN)
    place = turn_place(THREAD, "t1", None)
    assert [span.place for span in (call, tool, turn)] == [
        call_place(place, THREAD, "t1/1", 1),
        tool_place(place, THREAD, "c1"),
        place,
    ]
    assert [span.parent for span in (call, tool, turn)] == [place.span_id, place.span_id, None]
    times = [(span.start_ms - NOON_MS, span.end_ms - NOON_MS) for span in (call, tool, turn)]
    assert times == [(40, 70), (60, 80), (30, 90)]
    assert [span.error for span in (call, tool, turn)] == [None, None, None]


def test_a_turn_of_a_caller_with_a_trace_is_within_it() -> None:
    given = read_traceparent(PARENT)
    assert given == SpanPlace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    asked = replace(queued(1), traceparent=PARENT)
    (turn,) = spans_of(STARTED, asked, begun(1), e.TurnCompleted())
    assert (turn.place.trace_id, turn.parent) == (given.trace_id, given.span_id)
    assert turn.place.traceparent.startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")


def test_a_header_that_is_none_is_ignored() -> None:
    for text in (None, "", "00-0", PARENT.upper(), PARENT.replace("00f067aa0ba902b7", "0" * 16)):
        assert read_traceparent(text) is None


def test_failures_are_marked() -> None:
    exchange = Exchange("/responses", 503, 12)
    refused = e.ModelCallFailed(BROKEN, "request", False, exchange=exchange)
    call, turn = spans_of(*BEGUN, calling("t1/1"), refused, e.TurnFailed(BROKEN))
    assert (call.error, call.attributes["error.type"]) == ("the stream broke", "503")
    assert (turn.error, turn.attributes["error.type"]) == ("the stream broke", "_OTHER")
    call, turn = spans_of(*BEGUN, calling("t1/1"), e.TurnInterrupted())
    assert [span.attributes["error.type"] for span in (call, turn)] == ["interrupted"] * 2


def test_a_part_of_all_traces_is_whole_traces() -> None:
    assert spans_of(*TURN, ratio=0.0) == []
    low, high = SpanPlace("f" * 16 + "0" * 16, "1" * 16), SpanPlace("0" * 16 + "f" * 16, "1" * 16)
    assert (is_sampled(low, 0.5), is_sampled(high, 0.5)) == (True, False)


def test_every_measurement_is_of_a_known_metric() -> None:
    exchange = Exchange("/responses", 200, 12, 15)
    answered = replace(ENDED, exchange=exchange)
    events = [answered if event is ENDED else event for event in TURN]
    measured = [item for item in fold(Measurements("9"), *events) if isinstance(item, Measurement)]
    assert {one.metric for one in measured} < set(METRICS)
    values = {one.metric: one.value for one in measured}
    assert values["codex.turn.ttft.duration_ms"] == 10 + 15
    assert values["codex.turn.e2e_duration_ms"] == 60
    assert values["gen_ai.execute_tool.duration"] == 0.007
    assert values["gen_ai.client.operation.time_to_first_chunk"] == 0.015


def test_values_are_added_up_and_what_was_before_is_left() -> None:
    def tokens(*values: float) -> list[Measurement]:
        return [Measurement("gen_ai.client.token.usage", value, {"a": 1}) for value in values]

    before = added_up({}, tokens(3, 70))
    after = added_up(before, tokens(1))
    ((key, total),) = after.items()
    assert key == ("gen_ai.client.token.usage", (("a", 1),))
    assert (total.count, total.sum, total.min, total.max) == (3, 74, 1, 70)
    assert total.buckets[:5] == [1, 1, 0, 0, 1]
    assert [total.count for total in before.values()] == [2]


def test_series_without_end_become_one() -> None:
    many = [Measurement("codex.tool.call", 1, {"tool": str(n)}) for n in range(SERIES_MAX + 5)]
    totals = added_up({}, many)
    assert len(totals) == SERIES_MAX + 1
    assert totals["codex.tool.call", OVERFLOW].sum == 5
