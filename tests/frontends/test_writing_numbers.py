"""Numbers as people read them: short in the status line, exact elsewhere, and never guessed."""

from __future__ import annotations

import pytest

from codexd.protocol.usage import ThreadTokenUsage, TokenUsageBreakdown
from codexd_frontends.screen.numbers import exact, money, short, status_line, summary_line


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (-1, "0"),
        (0, "0"),
        (999, "999"),
        (1000, "1.00K"),
        (1125, "1.13K"),
        (1200, "1.20K"),
        (1994, "1.99K"),
        (1995, "2.00K"),
        (9994, "9.99K"),
        (9995, "10.0K"),
        (10_000, "10.0K"),
        (99_949, "99.9K"),
        (99_950, "100K"),
        (100_000, "100K"),
        (999_499, "999K"),
        (999_500, "1.00M"),
        (1_234_000, "1.23M"),
        (12_345_678, "12.3M"),
        (999_950_000, "1.00G"),
        (999_499_999_999, "999G"),
        (999_500_000_000, "1,000G"),
        (1_234_000_000_000, "1,234G"),
    ],
)
def test_a_short_number_has_three_figures_rounded_half_up(number: int, written: str) -> None:
    assert short(number) == written


def test_an_exact_number_has_all_its_digits() -> None:
    assert exact(1_234_567) == "1,234,567"


@pytest.mark.parametrize(
    ("dollars", "written"),
    [
        (None, "-"),
        (0.0, "$0.0000"),
        (0.01234, "$0.0123"),
        (0.99994, "$0.9999"),
        (1.0, "$1.00"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_is_written_as_fine_as_it_matters(dollars: float | None, written: str) -> None:
    assert money(dollars) == written


def test_the_status_line_has_the_rest_of_the_window_and_the_usage() -> None:
    total = TokenUsageBreakdown(input_tokens=30_000, cached_input_tokens=20_000, output_tokens=2345)
    assert status_line(ThreadTokenUsage(total=total, percent_left=87)) == (
        "87% context left · 12.3K tokens"
    )
    assert status_line(ThreadTokenUsage(total=total)) == "12.3K tokens"


def test_the_summary_leaves_out_zero_parts() -> None:
    plain = TokenUsageBreakdown(input_tokens=1200, output_tokens=34)
    assert summary_line(plain) == "Token usage: total=1,234 input=1,200 output=34"
    whole = TokenUsageBreakdown(
        input_tokens=21_200,
        cached_input_tokens=20_000,
        output_tokens=1034,
        reasoning_output_tokens=1000,
    )
    assert summary_line(whole) == (
        "Token usage: total=2,234 input=1,200 (+ 20,000 cached) output=1,034 (reasoning 1,000)"
    )
