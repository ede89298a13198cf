"""An account as a person reads it: who is logged in, and how much of its rate limits is used. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator

from codexd.protocol.account import AccountOwn, RateLimits, RateLimitWindow
from codexd_frontends.client.messages import Received
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.numbers import span


class AccountAnswer(Received, frozen=True, kw_only=True):
    """The answer to `account/read`."""

    codexd: AccountOwn = AccountOwn()


def who(account: AccountAnswer) -> str:
    """The account in a few words."""
    own = account.codexd
    match own.method:
        case "apiKey":
            return f"API key {one_line(own.masked_key or '', 40)}"
        case "variable":
            return (
                f"API key {one_line(own.masked_key or '', 40)} of ${one_line(own.source or '', 80)}"
            )
        case "chatgpt":
            name = one_line(own.email or "an unnamed person", 80)
            return f"ChatGPT, {name}, plan {one_line(own.plan or 'unknown', 40)} (as the token says, unverified)"
        case None:
            return "nobody"


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
