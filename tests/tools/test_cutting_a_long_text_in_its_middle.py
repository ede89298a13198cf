"""The middle-truncation rule: what the model gets of a text that is too long for it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.values.truncate import truncate_middle

MARKER = re.compile("…([0-9]+) tokens truncated…")
PROSE = st.text(alphabet=st.sampled_from("ab \né€😀"), max_size=120)


def tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)


def test_a_text_that_fits_is_left_alone() -> None:
    assert truncate_middle("some text", 9) == ("some text", None)


def test_lines_are_kept_whole() -> None:
    text = "".join(f"line {n}\n" for n in range(100))
    cut, total = truncate_middle(text, 100)
    assert cut == (
        "".join(f"line {n}\n" for n in range(5))
        + "…181 tokens truncated…\n"
        + "".join(f"line {n}\n" for n in range(96, 100))
    )
    assert total == tokens(text)


def test_a_text_without_lines_is_cut_at_characters() -> None:
    cut, total = truncate_middle("é" * 100, 60)
    left, right = cut.split("…42 tokens truncated…\n")
    assert (left, right) == ("é" * 8, "é" * 9)
    assert total == 50


@pytest.mark.parametrize("bytes_max", [0, 1, 20])
def test_where_not_even_the_marker_fits_there_is_only_the_marker(bytes_max: int) -> None:
    assert truncate_middle("x" * 400, bytes_max) == ("…100 tokens truncated…", 100)


def test_text_that_was_removed_before_is_counted() -> None:
    assert truncate_middle("a" * 50 + "z" * 50, 60, gone_bytes=4_000) == (
        "a" * 16 + "…1017 tokens truncated…\n" + "z" * 17,
        1025,
    )


def test_a_hundredth_or_a_thousandth_token_does_not_upset_it() -> None:
    for size in (400, 460, 4_000, 4_060, 40_000, 40_060):
        cut, _ = truncate_middle("x" * size, 60)
        assert len(cut.encode()) <= 60 + 1


@settings(max_examples=60)
@given(PROSE, st.integers(0, 300))
def test_it_says_the_tokens_of_the_whole_or_none(text: str, bytes_max: int) -> None:
    cut, total = truncate_middle(text, bytes_max)
    fits = len(text.encode()) <= bytes_max
    assert (cut == text and total is None) if fits else (total == tokens(text))


@settings(max_examples=60)
@given(PROSE, st.integers(40, 300))
def test_the_start_and_the_end_are_left_and_the_number_counts_the_rest(
    text: str, bytes_max: int
) -> None:
    cut, total = truncate_middle(text, bytes_max)
    if total is None:
        return
    found = MARKER.search(cut)
    assert found
    start, end = cut[: found.start()], cut[found.end() + 1 :]
    assert text.startswith(start)
    assert text.endswith(end)
    assert len(start) + len(end) <= len(text)
    assert int(found[1]) == tokens(text[len(start) : len(text) - len(end)])


@settings(max_examples=60)
@given(PROSE, st.integers(40, 300))
def test_it_keeps_to_the_limit_but_for_the_newline_after_the_marker(
    text: str, bytes_max: int
) -> None:
    cut, _ = truncate_middle(text, bytes_max)
    assert len(cut.encode()) <= bytes_max + 1
