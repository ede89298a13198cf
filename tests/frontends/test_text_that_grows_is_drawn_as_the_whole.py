"""A model's words come in pieces, and a combining character may be cut off from its letter."""

from __future__ import annotations

import pytest

from codexd.protocol.display.visible import MARKS_IN_A_ROW_MAX, visible_prose
from codexd_frontends.screen.drawn import GrowingProse

from . import said
from .test_showing_a_turn import shown

TEXTS = (
    "👨‍👩‍👧‍👦 and ❤️ and 1️⃣, می‌خواهم, क्‍ष",
    "a\u200db\ufe0f \x1b[31m\u202e\r\n\ttail\u200d",
    "o" + "\u0338" * (MARKS_IN_A_ROW_MAX + 3) + "x\u0338",
    "\u0338 \u0338\n\u0338\\u{1b}",
    "👩🏽‍🚒\u200d\u200d👩\ufe0f\ufe0f",
)


@pytest.mark.parametrize("text", TEXTS)
def test_however_a_text_is_cut_the_same_is_drawn(text: str) -> None:
    whole = visible_prose(text)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            growing = GrowingProse()
            pieces = (text[:first], text[first:second], text[second:])
            assert "".join([*map(growing.grow, pieces), growing.end()]) == whole


def test_a_live_answer_is_drawn_as_the_whole_when_its_characters_are_cut_apart() -> None:
    text = TEXTS[0]
    whole = shown(said.item_completed(said.agent(text)))
    for status in ("completed", "interrupted"):
        deltas = [said.text_delta(char) for char in text]
        live = shown(said.turn_started(), *deltas, said.turn_completed(status))
        assert live.startswith(whole)


def test_held_text_is_drawn_at_the_end() -> None:
    deltas = [said.text_delta("👨"), said.text_delta("\u200d")]
    assert shown(*deltas) == "👨"
    done = said.item_completed(said.agent("👨\u200d"))
    assert shown(*deltas, done) == "👨\\u{200d}\n"
    assert shown(*deltas, said.turn_completed("interrupted")).startswith("👨\\u{200d}\n")
