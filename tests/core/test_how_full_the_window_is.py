"""How full the window is: the provider's newest figure, and an estimate of later items."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from builders import ENDED, ENVIRONMENT, SETTINGS, begun, calling, ended, made, queued, said, text
from codexd.core.events.events import (
    Event,
    InputQueued,
    InputWithdrawn,
    ModelCallFailed,
    ThreadForked,
    TurnCompleted,
    TurnStarted,
    TurnSteered,
)
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.tools import ToolEnded
from codexd.core.state.window import (
    BASELINE_TOKENS,
    IMAGE_BYTES,
    ContextWindow,
    fold_window,
    percent_left,
)
from codexd.core.values.ids import CallId, ItemId, ThreadId, TurnId
from codexd.core.values.items import ImageInput, TextInput, TurnError
from codexd.core.values.limits import Limits
from codexd.core.values.tool_actions import ToolResult
from random_thread import Play

TOO_LONG = TurnError("too long", "contextWindowExceeded")
FOUR_BYTES = text("1234")
COMPACTING = replace(calling("t1/2"), purpose="compact")


def used(total: int) -> Event:
    """A response ends, and the provider counted so many tokens."""
    return replace(ENDED, usage=msgspec.Raw(b'{"total_tokens":%d}' % total))


def in_a_window(tokens: int, n: int = 1) -> TurnStarted:
    return replace(begun(n), limits=Limits(effective=tokens))


def steered(words: str) -> TurnSteered:
    return TurnSteered(ItemId("s"), text(words))


def compacted(*items: bytes) -> HistoryCompacted:
    raw = tuple(msgspec.Raw(item) for item in items)
    return HistoryCompacted(ItemId("h"), "so far", raw, "auto")


def fill_of(*events: Event) -> ContextWindow:
    window = ContextWindow()
    for event in events:
        window = fold_window(window, event)
    return window


@pytest.mark.parametrize(
    ("window", "tokens", "left"),
    [
        (0, 0, 0),
        (12_000, 0, 0),
        (12_001, 0, 100),
        (12_001, 12_001, 0),
        (258_400, 0, 100),
        (258_400, 120, 100),
        (258_400, BASELINE_TOKENS, 100),
        (258_400, 258_400, 0),
        (258_400, 1_000_000, 0),
        (112_000, 62_000, 50),
        (112_000, 62_499, 50),
        (112_000, 62_500, 50),
        (112_000, 62_501, 49),
        (112_000, 13_499, 99),
        (112_000, 12_500, 100),
        (112_000, 12_501, 99),
    ],
)
def test_percent_left_leaves_out_the_baseline_and_is_rounded_half_up(
    window: int, tokens: int, left: int
) -> None:
    assert percent_left(window, tokens) == left


def test_an_unknown_window_is_not_reported() -> None:
    assert fill_of(used(500)).percent_left is None
    assert fill_of(in_a_window(24_000), used(18_000)).percent_left == 50


def test_before_the_first_response_all_is_an_estimate() -> None:
    asked = (queued(1), ENVIRONMENT, begun(1))
    size = len(ENVIRONMENT.text) + len("go")
    assert fill_of(*asked).context_tokens == -(-size // 4)


def test_the_providers_figure_replaces_the_estimate() -> None:
    window = fill_of(queued(1), ENVIRONMENT, begun(1), calling("t1/1"), said("m", "yes"), used(900))
    assert (window.context_tokens, window.since_bytes) == (900, 0)


def test_items_after_a_response_are_added_by_their_size() -> None:
    asked = (calling("t1/1"), made("c"), used(900), ended("c", "x" * 400))
    assert fill_of(*asked).context_tokens == 1000
    assert fill_of(*asked, steered("y" * 41)).context_tokens == 1011


def test_characters_are_counted_as_their_bytes() -> None:
    assert fill_of(steered("日本")).since_bytes == 6


def test_items_that_come_while_a_response_streams_are_not_in_its_figure() -> None:
    during = (made("c"), ended("c", "x" * 40), steered("y" * 40))
    assert fill_of(calling("t1/1"), *during, used(900)).context_tokens == 920


def test_items_before_the_request_are_in_its_figure() -> None:
    before = (used(900), ended("c", "x" * 400), steered("y" * 40))
    assert fill_of(*before, calling("t1/2"), used(1020)).context_tokens == 1020


def test_a_response_without_a_figure_leaves_the_estimate() -> None:
    item = said("m", "yes")
    window = fill_of(calling("t1/1"), used(900), calling("t1/2"), item, ENDED)
    assert window.context_tokens == 900 + -(-len(item.item) // 4)


def test_the_items_of_a_broken_stream_are_in_the_figure_of_the_next_attempt() -> None:
    broken = ModelCallFailed(TurnError("x"), "stream", True)
    window = fill_of(calling("t1/1"), said("m", "yes"), broken, calling("t1/1", 2), used(900))
    assert window.context_tokens == 900


def test_a_queued_input_counts_from_its_turn_on() -> None:
    waiting = InputQueued(ItemId("u1"), TurnId("t1"), FOUR_BYTES)
    assert fill_of(waiting).context_tokens == 0
    assert fill_of(waiting, begun(1)).context_tokens == 1
    assert fill_of(waiting, InputWithdrawn(ItemId("u1")), begun(1)).context_tokens == 0
    assert fill_of(waiting, ThreadForked(ThreadId("p"), 1), begun(1)).context_tokens == 0


def test_an_image_counts_as_an_image_however_many_bytes_it_has() -> None:
    picture = "data:image/png;base64," + "A" * 100_000
    given = TurnSteered(ItemId("s"), (ImageInput(picture), TextInput("1234")))
    assert fill_of(given).since_bytes == IMAGE_BYTES + 4
    parts = msgspec.json.encode([{"type": "input_image", "image_url": picture}])
    answer = ToolResult("completed", "", model_parts=msgspec.Raw(parts))
    shown = fill_of(ToolEnded(CallId("c"), answer))
    assert shown.since_bytes == IMAGE_BYTES + len(parts) - len(picture)


def test_words_about_images_are_words() -> None:
    words = 'see "data:image/png;base64,AAAA" there'
    item = msgspec.json.encode({"text": words})
    assert fill_of(compacted(item)).since_bytes == len(item)


def test_after_a_compaction_the_new_history_is_estimated_until_the_next_response() -> None:
    before = (in_a_window(24_000), calling("t1/1"), made("c"), used(23_000), ended("c", "x" * 400))
    window = fill_of(*before, COMPACTING, said("m", "so far"), used(23_200), compacted(b"x" * 400))
    assert (window.last_total, window.context_tokens, window.limit) == (0, 100, 24_000)
    assert fold_window(fold_window(window, calling("t1/3")), used(150)).context_tokens == 150


def test_a_compaction_keeps_what_the_model_has_yet_to_see() -> None:
    earlier = (calling("t1/1"), used(23_000), TurnCompleted())
    asked = (queued(2, "1234"), replace(ENVIRONMENT, text="5678"), begun(2))
    window = fill_of(*earlier, *asked, COMPACTING, used(23_100), compacted(b"x" * 400))
    assert window.since_bytes == 408


def test_a_compaction_of_another_program_replaces_all_earlier_items() -> None:
    asked = (calling("t1/1"), used(23_000), TurnCompleted(), queued(2, "1234"), begun(2))
    theirs = replace(compacted(b"x" * 400), trigger=None)
    assert fill_of(*asked, theirs).since_bytes == 400


def test_what_the_model_has_seen_goes_with_the_history() -> None:
    seen = (steered("y" * 400), calling("t1/2"), made("c"), used(500), ended("c", "z" * 400))
    assert fill_of(*seen, COMPACTING, compacted(b"x" * 4)).context_tokens == 1
    assert fill_of(steered("y" * 400), TurnCompleted(), compacted(b"x" * 4)).context_tokens == 1


def test_a_compactions_own_response_says_nothing_of_the_history() -> None:
    window = fill_of(calling("t1/1"), used(900), COMPACTING, said("m", "so far"), used(5000))
    assert window.context_tokens == 900


def test_a_request_that_was_too_long_makes_it_full_against_any_estimate() -> None:
    refused = ModelCallFailed(TOO_LONG, "request", False)
    window = fill_of(in_a_window(24_000), calling("t1/1"), used(900), calling("t1/2"), refused)
    assert (window.full, window.context_tokens, window.percent_left) == (True, 24_000, 0)
    without_a_window = fill_of(calling("t1/1"), used(900), calling("t1/2"), refused)
    assert (without_a_window.full, without_a_window.context_tokens) == (True, 900)


@pytest.mark.parametrize(
    ("afterwards", "full"),
    [
        ((calling("t2/1"), used(700)), False),
        ((compacted(b"x"),), False),
        ((in_a_window(48_000, 2),), False),
        ((in_a_window(24_000, 2),), True),
        ((calling("t2/1"), ENDED), True),
        ((COMPACTING, used(700)), True),
    ],
)
def test_it_is_full_until_something_is_shortened_or_goes_through(
    afterwards: tuple[Event, ...], full: bool
) -> None:
    refused = ModelCallFailed(TOO_LONG, "request", False)
    window = fill_of(in_a_window(24_000), calling("t1/1"), refused, *afterwards)
    assert window.full is full


def test_a_turns_window_is_that_of_its_record() -> None:
    assert fill_of(in_a_window(24_000)).limit == 24_000
    assert fill_of(in_a_window(24_000), TurnStarted(TurnId("t2"), SETTINGS)).limit is None


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 10_000), min_size=20, max_size=60))
def test_in_any_run_the_parts_lie_within_the_whole_and_nothing_is_left_open_after_a_turn(
    run: list[int],
) -> None:
    play = Play()
    for number in run:
        play.step(number)
        window = play.state.window
        parts = (window.pending_bytes, window.asked_bytes + window.made_bytes)
        assert all(0 <= part <= window.since_bytes for part in parts)
        assert window.last_total >= 0
        waiting = {queued.item_id for queued in play.state.queue}
        assert {item_id for item_id, _ in window.queued} == waiting
        if play.state.turn is None:
            assert (window.asked_bytes, window.made_bytes, window.summarising) == (0, 0, False)
