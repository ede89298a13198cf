"""Counting tokens: what a provider says of each response, and the sum over the thread."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.events import NO_JSON, ModelCallFailed
from codexd.core.items import TurnError
from codexd.core.settings import SettingsChange
from codexd.core.usage import Tokens, read_usage
from codexd.projections.usage import UsageTotals
from codexd.projections.wire import Wire
from codexd.protocol import notifications as n
from ordinary import ENDED, FIRST_TURN, ask
from playing import THREAD, Play

FULL = msgspec.Raw(
    b'{"input_tokens":100,"input_tokens_details":{"cached_tokens":80,"cache_write_tokens":5},'
    b'"output_tokens":20,"output_tokens_details":{"reasoning_tokens":12},"total_tokens":120}'
)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (FULL, Tokens(120, 100, 80, 5, 20, 12)),
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
def test_what_providers_say_is_read(usage: msgspec.Raw, tokens: Tokens | None) -> None:
    assert read_usage(usage) == tokens


def test_the_total_is_a_sum_and_the_last_is_the_last() -> None:
    usage = UsageTotals()
    second = msgspec.Raw(b'{"input_tokens":7,"output_tokens":3}')
    assert usage.apply(replace(ENDED, usage=FULL))
    assert usage.apply(replace(ENDED, usage=second))
    assert usage.total == Tokens(130, 107, 80, 5, 23, 12)
    assert usage.last == Tokens(10, 7, 0, 0, 3, 0)


def test_nothing_else_changes_it() -> None:
    usage = UsageTotals()
    others = (*FIRST_TURN, ENDED, ModelCallFailed(TurnError("x"), "stream", True))
    for event in others:
        assert not usage.apply(event)
    assert (usage.total, usage.last) == (Tokens(), Tokens())


def test_a_copy_counts_on_apart() -> None:
    usage = UsageTotals()
    copy = usage.copy()
    copy.apply(replace(ENDED, usage=FULL))
    assert (usage.total, copy.total) == (Tokens(), Tokens(120, 100, 80, 5, 20, 12))


def test_screens_are_told_after_each_response_with_the_window_of_its_model() -> None:
    play = Play()
    play.wire = Wire(THREAD, UsageTotals(), {"m-1": 1000}.get)
    play.do(ask(1))
    play.do(c.ChangeSettings(change=SettingsChange(model="m-2")))
    play.report(c.FinishedCall(duration_ms=1, usage=FULL))
    [told] = [p for p in play.live.params if isinstance(p, n.ThreadTokenUsageUpdatedNotification)]
    count = n.TokenUsageBreakdown(120, 100, 80, 5, 20, 12)
    assert told.token_usage == n.ThreadTokenUsage(count, count, 1000)
