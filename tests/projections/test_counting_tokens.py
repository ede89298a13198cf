"""Counting tokens: what a provider says of each response, and the sum over the thread."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from builders import ENDED, FIRST_TURN, begun, calling
from codexd.core.events.events import (
    NO_JSON,
    Event,
    ModelCallFailed,
    TurnCompleted,
    TurnStarted,
)
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.record import Recorded
from codexd.core.values.ids import ItemId
from codexd.core.values.items import TurnError
from codexd.core.values.limits import Limits
from codexd.core.values.usage import Tokens, read_usage, says_cached
from codexd.projections.clients.deltas import Outgoing
from codexd.projections.clients.notifications import ClientProjection, ServerMessage
from codexd.projections.usage.totals import Usage
from codexd.protocol import notifications as n
from codexd.protocol.usage import ThreadTokenUsage, TokenUsageBreakdown
from random_thread import THREAD

FULL = msgspec.Raw(
    b'{"input_tokens":100,"input_tokens_details":{"cached_tokens":80,"cache_write_tokens":5},'
    b'"output_tokens":20,"output_tokens_details":{"reasoning_tokens":12},"total_tokens":120}'
)


ENDED_WITH_USAGE = replace(ENDED, usage=FULL)
CHAT = msgspec.Raw(
    b'{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":80,"audio_tokens":0},'
    b'"completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":12},"total_tokens":120}'
)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (FULL, Tokens(120, 100, 80, 5, 20, 12)),
        (CHAT, Tokens(120, 100, 80, 0, 20, 12)),
        (
            msgspec.Raw(
                b'{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10,"prompt_cache_hit_tokens":4}'
            ),
            Tokens(10, 9, 4, 0, 1, 0),
        ),
        (
            msgspec.Raw(
                b'{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10,"cached_tokens":4}'
            ),
            Tokens(10, 9, 4, 0, 1, 0),
        ),
        (msgspec.Raw(b'{"input_tokens":7,"input_tokens_details":"none"}'), Tokens(7, 7)),
        (msgspec.Raw(b'{"input_tokens":7,"output_tokens":3}'), Tokens(10, 7, 0, 0, 3, 0)),
        (msgspec.Raw(b'{"input_tokens":7,"input_tokens_details":null}'), Tokens(7, 7)),
        (msgspec.Raw(b'{"input_tokens":null,"output_tokens":null,"later":1}'), Tokens()),
        (msgspec.Raw(b"{}"), Tokens()),
        (msgspec.Raw(b'"many"'), None),
        (msgspec.Raw(b'{"input_tokens":"many"}'), None),
        (msgspec.Raw(b"null"), None),
        (NO_JSON, None),
    ],
)
def test_the_figures_of_providers_are_read(usage: msgspec.Raw, tokens: Tokens | None) -> None:
    assert read_usage(usage) == tokens


@pytest.mark.parametrize(
    ("usage", "says"),
    [
        (FULL, True),
        (CHAT, True),
        (msgspec.Raw(b'{"input_tokens":7,"input_tokens_details":{"cached_tokens":0}}'), True),
        (msgspec.Raw(b'{"input_tokens":7,"input_tokens_details":{"cached_tokens":null}}'), False),
        (msgspec.Raw(b'{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}'), False),
        (NO_JSON, False),
    ],
)
def test_no_cached_tokens_differ_from_no_figure_of_the_cache(
    usage: msgspec.Raw, says: bool
) -> None:
    assert says_cached(usage) is says


def test_the_total_is_a_sum_and_the_last_is_the_last() -> None:
    second = msgspec.Raw(b'{"input_tokens":7,"output_tokens":3}')
    first = Usage().after(replace(ENDED, usage=FULL))
    usage = first.after(replace(ENDED, usage=second))
    assert first.last is not usage.last
    assert usage.total == Tokens(130, 107, 80, 5, 23, 12)
    assert usage.last == Tokens(10, 7, 0, 0, 3, 0)


def test_nothing_else_changes_it() -> None:
    usage = Usage()
    others = (*FIRST_TURN, ENDED, ModelCallFailed(TurnError("x"), "stream", True))
    for event in others:
        last, usage = usage.last, usage.after(event)
        assert usage.last is last
    assert (usage.total, usage.last) == (Tokens(), Tokens())


def test_counting_leaves_the_old_value_unchanged() -> None:
    usage = Usage()
    later = usage.after(replace(ENDED, usage=FULL))
    assert (usage.total, later.total) == (Tokens(), Tokens(120, 100, 80, 5, 20, 12))


SUMMARY = HistoryCompacted(ItemId("h"), "so far", (msgspec.Raw(b"x" * 4000),))
REFUSED = ModelCallFailed(TurnError("too long", "contextWindowExceeded"), "request", False)


def told(wire: ClientProjection, *events: Event) -> list[n.ThreadTokenUsageUpdatedNotification]:
    """What the fold says of usage."""
    said: list[ServerMessage] = []
    for seq, event in enumerate(events, 1):
        said += wire.apply(Recorded(seq, 1000, event))
    params = [message.params for message in said if isinstance(message, Outgoing)]
    return [param for param in params if isinstance(param, n.ThreadTokenUsageUpdatedNotification)]


def in_a_window(tokens: int, turn: int = 1) -> TurnStarted:
    return replace(begun(turn), limits=Limits(effective=tokens))


def test_screens_get_the_usage_after_each_response_with_the_rest_of_its_models_window() -> None:
    wire = ClientProjection(THREAD, Usage())
    [first] = told(wire, in_a_window(24_000), calling("t1/1"), replace(ENDED, usage=FULL))
    count = TokenUsageBreakdown(120, 100, 80, 5, 20, 12)
    assert (first.thread_id, first.turn_id) == (THREAD, "t1")
    assert first.token_usage == ThreadTokenUsage(count, count, 24_000, 120, 100)
    much = replace(ENDED, usage=msgspec.Raw(b'{"input_tokens":17000,"output_tokens":1000}'))
    [second] = told(wire, TurnCompleted(), in_a_window(24_000, 2), calling("t2/1"), much)
    last = TokenUsageBreakdown(18_000, 17_000, 0, 0, 1000, 0)
    total = TokenUsageBreakdown(18_120, 17_100, 80, 5, 1020, 12)
    assert second.turn_id == "t2"
    assert second.token_usage == ThreadTokenUsage(total, last, 24_000, 18_000, 50)


def test_screens_are_told_of_a_response_whose_figures_are_those_of_the_one_before() -> None:
    first = Usage().after(ENDED_WITH_USAGE)
    assert first.after(ENDED_WITH_USAGE).last == first.last
    assert first.after(ENDED_WITH_USAGE).last is not first.last


def test_an_unknown_window_has_no_rest() -> None:
    [only] = told(
        ClientProjection(THREAD, Usage()),
        begun(1),
        calling("t1/1"),
        replace(ENDED, usage=FULL),
    )
    assert only.token_usage.model_context_window is None
    assert (only.token_usage.context_tokens, only.token_usage.percent_left) == (120, None)


def test_after_a_compaction_the_last_is_an_estimate_and_the_total_a_sum() -> None:
    compacting = replace(calling("t1/2"), purpose="compact")
    begin = (in_a_window(24_000), calling("t1/1"), replace(ENDED, usage=FULL))
    wire = ClientProjection(THREAD, Usage())
    _, paid, short = told(wire, *begin, compacting, replace(ENDED, usage=FULL), SUMMARY)
    total = TokenUsageBreakdown(240, 200, 160, 10, 40, 24)
    assert paid.token_usage.total == short.token_usage.total == total
    assert short.token_usage.last == TokenUsageBreakdown(1000)
    assert short.token_usage.context_tokens == 1000


def test_a_request_that_was_too_long_leaves_nothing_of_the_window_and_the_total_as_it_was() -> None:
    begin = (in_a_window(24_000), calling("t1/1"), replace(ENDED, usage=FULL), calling("t1/2"))
    _, refused = told(ClientProjection(THREAD, Usage()), *begin, REFUSED)
    assert refused.token_usage.last == TokenUsageBreakdown(24_000)
    assert refused.token_usage.total == TokenUsageBreakdown(120, 100, 80, 5, 20, 12)
    assert refused.token_usage.percent_left == 0


def test_a_replay_sends_what_was_sent_live() -> None:
    """Nobody asks a table of models again."""
    events = (in_a_window(24_000), calling("t1/1"), replace(ENDED, usage=FULL), SUMMARY, REFUSED)
    live = told(ClientProjection(THREAD, Usage()), *events)
    for at in range(1, len(events)):
        usage = Usage()
        for event in events[:at]:
            usage = usage.after(event)
        again = told(ClientProjection(THREAD, usage), *events[at:])
        assert again == live[len(live) - len(again) :]
