"""The rate limits of accounts, as providers last reported them: kept for each account and family, over a restart too.

Each change is a fact of the daemon's own stream, with all that is known of the account; so the newest one is enough.
A change of a reset time by some seconds is none: providers count down, and round.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import trio

from codexd.projections.usage.rate_limits import merged, read_limits, without_past
from codexd.protocol.account import RateLimits, RateLimitWindow

RESET_SECONDS_TOLERATED: Final = 60
# Accounts whose limits are in memory: a person has a few.
ACCOUNTS_MAX: Final = 16
# Families of one account: OpenAI has a few; what a server invents is bounded by this.
FAMILIES_MAX: Final = 16


# Observations that wait: a response has one, and each is taken in within a millisecond.
WAITING_MAX: Final = 256
# How long the end of the daemon waits for the last.
LAST_SECONDS_MAX: Final = 1.0


class Observed(msgspec.Struct, frozen=True, rename="camel"):
    """The limits of one family."""

    at_ms: int  # when the provider last reported it
    limits: RateLimits


class Known(msgspec.Struct, frozen=True, rename="camel"):
    """All that is known of an account: the fact in the stream."""

    account: str  # its fingerprint
    families: Mapping[str, Observed] = {}


class _UsageWindow(msgspec.Struct, frozen=True):
    used_percent: float | None = None
    limit_window_seconds: float | None = None
    reset_at: float | None = None


class _UsageLimit(msgspec.Struct, frozen=True):
    primary_window: _UsageWindow | None = None
    secondary_window: _UsageWindow | None = None


class _UsageCredits(msgspec.Struct, frozen=True):
    has_credits: bool | None = None
    unlimited: bool | None = None
    balance: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    plan_type: str | None = None
    rate_limit: _UsageLimit | None = None
    credits: _UsageCredits | None = None


def headers_of_usage(body: bytes) -> Mapping[str, str]:
    """The answer of ChatGPT's `/wham/usage` as the headers of a response; none where it cannot be read."""
    try:
        usage = msgspec.json.decode(body, type=_Usage, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    limit = usage.rate_limit or _UsageLimit()
    told: dict[str, object] = {"plan-type": usage.plan_type}
    for name, window in (("primary", limit.primary_window), ("secondary", limit.secondary_window)):
        seen = window or _UsageWindow()
        seconds = seen.limit_window_seconds
        told[f"{name}-used-percent"] = seen.used_percent
        told[f"{name}-window-minutes"] = None if seconds is None else seconds / 60
        told[f"{name}-reset-at"] = seen.reset_at
    bought = usage.credits or _UsageCredits()
    for name, value in msgspec.structs.asdict(bought).items():
        told[f"credits-{name.replace('_', '-')}"] = value
    return {f"x-codex-{name}": str(value) for name, value in told.items() if value is not None}


class Limits:
    """The limits of all accounts. What is observed waits in memory, so that no turn waits for it."""

    def __init__(
        self,
        recall: Callable[[str], Awaitable[Known | None]],
        note: Callable[[Known], Awaitable[None]],
    ) -> None:
        """`recall` finds the newest fact of an account, `note` records one; neither fails."""
        self._recall, self._note = recall, note
        self._known: dict[str, Known] = {}
        self._waiting: list[tuple[str, Mapping[str, str], int]] = []
        self._wake, self._lock = trio.Event(), trio.Lock()

    async def run(self) -> None:
        """Take in what is observed, for as long as the daemon runs."""
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                await self._take_in()
        finally:
            with trio.move_on_after(LAST_SECONDS_MAX, shield=True):
                await self._take_in()

    def observe(self, account: str, headers: Mapping[str, str], at_ms: int) -> None:
        """A provider reported limits in the headers of a response."""
        known = self._known.get(account)
        if known is not None and not self._waiting:
            now = _after(known, headers, at_ms)
            if not _has_changed(known, now):  # as after most responses: nothing is to be recorded
                self._keep(now)
                return
        self._waiting.append((account, headers, at_ms))
        del self._waiting[:-WAITING_MAX]
        self._wake.set()

    async def of(self, account: str, now_ms: int) -> Mapping[str, Observed]:
        """What is known of an account, `codex` first, without windows that were reset since."""
        await self._take_in()
        families = (await self._of(account)).families
        return {
            name: msgspec.structs.replace(seen, limits=without_past(seen.limits, now_ms))
            for name, seen in sorted(families.items(), key=lambda row: (row[0] != "codex", row[0]))
        }

    async def _take_in(self) -> None:
        async with self._lock:
            changed: dict[str, Known] = {}
            while self._waiting:
                account, headers, at_ms = self._waiting.pop(0)
                before = await self._of(account)
                now = _after(before, headers, at_ms)
                self._keep(now)
                if _has_changed(before, now):
                    changed[account] = now
            for known in changed.values():
                await self._note(known)

    async def _of(self, account: str) -> Known:
        known = self._known.get(account)
        if known is None:
            known = await self._recall(account) or Known(account)
            self._keep(known)
        return known

    def _keep(self, known: Known) -> None:
        self._known.pop(known.account, None)
        self._known[known.account] = known
        while len(self._known) > ACCOUNTS_MAX:
            del self._known[next(iter(self._known))]


def _after(before: Known, headers: Mapping[str, str], at_ms: int) -> Known:
    """What is known after a response."""
    families = dict(before.families)
    for limits in read_limits(headers, at_ms):
        name = limits.limit_id or ""
        known = families.get(name)
        if known is not None:
            families[name] = Observed(at_ms, merged(without_past(known.limits, at_ms), limits))
        elif len(families) < FAMILIES_MAX:
            families[name] = Observed(at_ms, limits)
    return Known(before.account, families)


def _has_changed(before: Known, now: Known) -> bool:
    if before.families.keys() != now.families.keys():
        return True
    return any(
        not _is_same(before.families[name].limits, seen.limits)
        for name, seen in now.families.items()
    )


def _is_same(one: RateLimits, other: RateLimits) -> bool:
    if one == other:
        return True
    windows = ((one.primary, other.primary), (one.secondary, other.secondary))
    plain = [
        msgspec.structs.replace(limits, primary=None, secondary=None) for limits in (one, other)
    ]
    return plain[0] == plain[1] and all(_is_same_window(*pair) for pair in windows)


def _is_same_window(one: RateLimitWindow | None, other: RateLimitWindow | None) -> bool:
    if one is None or other is None or one.resets_at is None or other.resets_at is None:
        return one == other
    shift = abs(one.resets_at - other.resets_at)
    return shift <= RESET_SECONDS_TOLERATED and msgspec.structs.replace(
        one, resets_at=None
    ) == msgspec.structs.replace(other, resets_at=None)
