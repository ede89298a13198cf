"""codexctl limits: how much of the account's rate limits is used, how old that figure is, and when they reset."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from codexd.protocol.account import AccountRateLimitsReadResponse, RateLimits, RateLimitWindow
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.numbers import span

_NOTHING: Final = (
    "no rate limits are known: a provider reports them with its answers, if the account has any"
)


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Say what is known; that nothing is known is an answer, too."""
    with connect(console) as daemon:
        try:
            read = daemon.call("account/rateLimits/read", {}, AccountRateLimitsReadResponse)
        except RequestRefused as refused:
            if refused.reason != "needs_chatgpt_login":
                raise
            read = AccountRateLimitsReadResponse(RateLimits())
    families = read.rate_limits_by_limit_id or {}
    observed = read.codexd.observed_at_ms if read.codexd is not None else {}
    now = time.time()
    rows = [
        {**msgspec.to_builtins(limits), "observedAtMs": observed.get(name)}
        for name, limits in families.items()
    ]
    lines = [
        line
        for name, limits in families.items()
        for line in limit_lines(name, limits, observed.get(name), now)
    ]
    console.result({"limits": rows}, *(lines or [_NOTHING]))
    return DONE


def limit_lines(
    name: str, limits: RateLimits, observed_ms: int | None, now: float
) -> Iterator[str]:
    """One family, for a person. `now` is in Unix seconds."""
    title = one_line(limits.limit_name or name, 60)
    plan = f", plan {one_line(limits.plan_type, 40)}" if limits.plan_type else ""
    age = "" if observed_ms is None else f", reported {span(now - observed_ms / 1000)} ago"
    yield f"{title}{plan}{age}"
    windows = [window for window in (limits.primary, limits.secondary) if window is not None]
    for window in windows:
        yield f"  {_window(window, now)}"
    if not windows and limits.credits is None:
        yield "  reset since then: nothing of it is used"
    if limits.credits is not None:
        yield f"  credits: {_credits(limits)}"
    if limits.rate_limit_reached_type is not None:
        yield f"  reached: {one_line(limits.rate_limit_reached_type.replace('_', ' '), 80)}"


def _window(window: RateLimitWindow, now: float) -> str:
    minutes = window.window_duration_mins
    length = "a window" if not minutes else f"{span(minutes * 60)}"
    reset = ""
    if window.resets_at is not None:
        when = time.strftime("%d %b %H:%M", time.localtime(window.resets_at))
        reset = f", resets in {span(window.resets_at - now)} ({when})"
    return f"{length}: {window.used_percent} % used{reset}"


def _credits(limits: RateLimits) -> str:
    bought = limits.credits
    if bought is None or not bought.has_credits:
        return "none"
    return "unlimited" if bought.unlimited else one_line(bought.balance or "some", 40)
