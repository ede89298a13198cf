"""Reading rate limits: one snapshot for each family of headers that has a window."""

from __future__ import annotations

import pytest

from codexd.projections.usage.rate_limits import read_limits
from codexd.protocol.account import RateLimits, RateLimitWindow

PRIMARY = "x-codex-primary-used-percent"
AT_MS = 1_794_000_000_500


def test_no_headers_are_no_news() -> None:
    assert read_limits({}, AT_MS) == []
    assert read_limits({"x-request-id": "1", "retry-after": "3"}, AT_MS) == []


def test_both_windows_of_a_family() -> None:
    headers = {
        PRIMARY: "12.5",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1794830400",
        "x-codex-secondary-used-percent": "3.4",
        "x-codex-secondary-window-minutes": "10080",
        "x-codex-secondary-reset-at": "",
        "x-codex-plan-type": "plus",
    }
    assert read_limits(headers, AT_MS) == [
        RateLimits(
            "codex",
            primary=RateLimitWindow(13, 300, 1794830400),
            secondary=RateLimitWindow(3, 10080),
            plan_type="plus",
        )
    ]


def test_two_families_the_default_first() -> None:
    headers = {
        "X-Alpha-Beta-Primary-Used-Percent": "50",
        "X-Alpha-Beta-Limit-Name": "Beta",
        PRIMARY: "1",
    }
    assert read_limits(headers, AT_MS) == [
        RateLimits("codex", primary=RateLimitWindow(1)),
        RateLimits("alpha_beta", "Beta", primary=RateLimitWindow(50)),
    ]


def test_a_family_may_have_its_second_window_only() -> None:
    assert read_limits({"x-codex-secondary-used-percent": "9"}, AT_MS) == [
        RateLimits("codex", secondary=RateLimitWindow(9))
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {PRIMARY: "0"},
        {PRIMARY: "0", "x-codex-primary-window-minutes": "0", "x-codex-primary-reset-at": ""},
        {PRIMARY: ""},
        {PRIMARY: "many"},
        {PRIMARY: "nan"},
        {PRIMARY: "inf"},
    ],
)
def test_an_empty_window_is_left_out(headers: dict[str, str]) -> None:
    assert read_limits(headers, AT_MS) == []


def test_an_unused_window_with_a_length_counts() -> None:
    headers = {PRIMARY: "0", "x-codex-primary-window-minutes": "300"}
    assert read_limits(headers, AT_MS) == [RateLimits("codex", primary=RateLimitWindow(0, 300))]


@pytest.mark.parametrize(("percent", "shown"), [("0.5", 1), ("2.5", 3), ("99.4", 99), ("100", 100)])
def test_percents_are_rounded_half_up(percent: str, shown: int) -> None:
    [limits] = read_limits({PRIMARY: percent, "x-codex-primary-window-minutes": "300"}, AT_MS)
    assert limits.primary == RateLimitWindow(shown, 300)
