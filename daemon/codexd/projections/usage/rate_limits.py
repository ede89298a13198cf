"""Headers of a response -> the account's rate limits: one snapshot a family, and what several of them add up to.

`x-codex-primary-used-percent` names the family `codex`; any other `x-<family>-primary-used-percent`
names one more (spec: features, section 21). A family without any figure is no news, and left out.

Law: null clears nothing. A newer snapshot replaces only what it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from msgspec.structs import replace

from codexd.protocol.account import REACHED, Credits, RateLimits, RateLimitWindow, wire_plan

_FAMILY = re.compile(r"x-(.{1,64}?)-(?:primary|secondary)-used-percent")
_DEFAULT = "codex"
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
# A float has no more exact integers; no time and no number of minutes is so large.
_NUMBER_MAX = 2**53


def read_limits(headers: Mapping[str, str], at_ms: int) -> list[RateLimits]:
    """The families in the headers of a response that came at this time, `codex` first."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    families = {match[1] for name in lower if (match := _FAMILY.fullmatch(name))}
    if _credits(lower, _DEFAULT) is not None:
        families.add(_DEFAULT)
    read = [
        _snapshot(lower, family, at_ms)
        for family in sorted(families, key=lambda name: (name != _DEFAULT, name))
    ]
    return [limits for limits in read if limits.primary or limits.secondary or limits.credits]


def merged(before: RateLimits, now: RateLimits) -> RateLimits:
    """The newer snapshot, and what it does not say from the older. That a limit is reached is always news."""
    return replace(
        now,
        limit_name=now.limit_name or before.limit_name,
        primary=_merged_window(before.primary, now.primary),
        secondary=_merged_window(before.secondary, now.secondary),
        credits=now.credits or before.credits,
        plan_type=now.plan_type or before.plan_type,
    )


def _merged_window(
    before: RateLimitWindow | None, now: RateLimitWindow | None
) -> RateLimitWindow | None:
    if before is None or now is None:
        return now or before
    minutes = now.window_duration_mins
    # The time of a reset belongs to the figure that came with it: a lower one is of another window.
    same = now.used_percent >= before.used_percent
    return RateLimitWindow(
        now.used_percent,
        before.window_duration_mins if minutes is None else minutes,
        before.resets_at if now.resets_at is None and same else now.resets_at,
    )


def without_past(limits: RateLimits, now_ms: int) -> RateLimits:
    """The limits without the windows that have been reset since."""

    def lasting(window: RateLimitWindow | None) -> RateLimitWindow | None:
        if window is None or window.resets_at is None or window.resets_at * 1000 > now_ms:
            return window
        return None

    return replace(limits, primary=lasting(limits.primary), secondary=lasting(limits.secondary))


def _snapshot(headers: Mapping[str, str], family: str, at_ms: int) -> RateLimits:
    reached = headers.get(f"x-{family}-rate-limit-reached-type")
    return RateLimits(
        limit_id=family.replace("-", "_"),
        limit_name=headers.get(f"x-{family}-limit-name"),
        primary=_window(headers, family, "primary", at_ms),
        secondary=_window(headers, family, "secondary", at_ms),
        credits=_credits(headers, family),
        plan_type=wire_plan(headers.get(f"x-{family}-plan-type") or None),
        rate_limit_reached_type=reached if reached in REACHED else None,
    )


def _window(
    headers: Mapping[str, str], family: str, which: str, at_ms: int
) -> RateLimitWindow | None:
    name = f"x-{family}-{which}"
    used = _number(headers.get(f"{name}-used-percent"))
    if used is None:
        return None
    minutes = _whole(headers.get(f"{name}-window-minutes"))
    reset = _whole(headers.get(f"{name}-reset-at"))
    after = _number(headers.get(f"{name}-reset-after-seconds"))
    if reset is None and after is not None and after > 0:
        reset = at_ms // 1000 + math.ceil(after)
    if not used and not minutes and reset is None:
        return None
    return RateLimitWindow(math.floor(used + 0.5), minutes, reset)


def _credits(headers: Mapping[str, str], family: str) -> Credits | None:
    has = _TRUTH.get(headers.get(f"x-{family}-credits-has-credits", "").lower())
    unlimited = _TRUTH.get(headers.get(f"x-{family}-credits-unlimited", "").lower())
    if has is None or unlimited is None:
        return None
    return Credits(has, unlimited, headers.get(f"x-{family}-credits-balance") or None)


def _whole(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < _NUMBER_MAX else None
