"""The limits of a plan: headers of a response, or an event of its stream, verbatim; and when to ask again.

The headers are `x-<limit>-primary-used-percent`, `-window-minutes`, `-reset-at`, … where `<limit>` is
`codex` or another family; projections make sense of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from codexd.models.complaints import ProviderError, finite_number

# A dozen headers for each of a few families. They go into the log with every call.
HEADERS_MAX = 64
# Numbers, names, a sentence; what is longer is something else.
VALUE_CHARACTERS_MAX = 256

_LIMIT_HEADER = re.compile(
    r"x-[a-z0-9-]{1,64}-(?:used-percent|window-minutes|reset-at|reset-after-seconds|limit-percent"
    r"|limit-name|rate-limit-reached-type|plan-type|active-limit|promo-message|credits-[a-z-]{1,64}+)",
    re.ASCII,
)

_WAIT = re.compile(
    r"(?:try again|retry)\s{1,16}+(?:in|after)\s{1,16}+((?>\d{1,9}+(?:\.\d{1,9}+)?+\s{0,16}+(?:ms?+|s|h)[a-z]{0,16}+\s{0,16}+){1,8}+)",
    re.IGNORECASE,
)
_SPAN = re.compile(r"(\d{1,9}+(?:\.\d{1,9}+)?+)\s{0,16}+(ms|s|m|h)", re.IGNORECASE)
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def limits_in_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that speak of limits, names in lower case."""
    found: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered.startswith("x-") and _LIMIT_HEADER.fullmatch(lowered):
            found[lowered] = value[:VALUE_CHARACTERS_MAX]
            if len(found) == HEADERS_MAX:
                break
    return found


class _Window(msgspec.Struct, frozen=True):
    used_percent: float | None = None
    window_minutes: int | None = None
    reset_at: int | None = None


class _Windows(msgspec.Struct, frozen=True):
    primary: _Window | None = None
    secondary: _Window | None = None


class _Credits(msgspec.Struct, frozen=True):
    has_credits: bool | None = None
    unlimited: bool | None = None
    balance: str | float | None = None


class _LimitsEvent(msgspec.Struct, frozen=True):
    """The data of a `codex.rate_limits` event."""

    rate_limits: _Windows | None = None
    credits: _Credits | None = None
    plan_type: str | None = None
    metered_limit_name: str | None = None
    limit_name: str | None = None


_decode_limits = msgspec.json.Decoder(_LimitsEvent, strict=False).decode


def limits_in_event(data: bytes) -> dict[str, str]:
    """The same headers from a `codex.rate_limits` event; none where it cannot be read.

    A response is worth more than the figures that come along with it, so bad ones do no harm.
    """
    try:
        event = _decode_limits(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    family = (event.metered_limit_name or event.limit_name or "codex").lower().replace("_", "-")
    windows = event.rate_limits or _Windows()
    figures: dict[str, object] = {}
    for name, window in (("primary", windows.primary), ("secondary", windows.secondary)):
        for field, value in msgspec.structs.asdict(window or _Window()).items():
            figures[f"{name}-{field}"] = value
    for field, value in msgspec.structs.asdict(event.credits or _Credits()).items():
        figures[f"credits-{field}"] = value
    figures["plan-type"] = event.plan_type
    return limits_in_headers(
        (f"x-{family}-{field.replace('_', '-')}", _as_header(value))
        for field, value in figures.items()
        if value is not None
    )


def _as_header(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def retry_after_ms(headers: Mapping[str, str], now: float) -> int | None:
    """When the provider wants to be asked again (RFC 9110, section 10.2.3, and the headers of OpenAI and Azure)."""
    exact = finite_number(headers.get("retry-after-ms", headers.get("x-ms-retry-after-ms")))
    if exact is not None:
        return max(0, round(exact))
    given = headers.get("retry-after", "").strip()
    seconds = finite_number(given)
    if seconds is None:
        try:
            from email.utils import parsedate_to_datetime  # 3 ms of a daemon's start

            seconds = parsedate_to_datetime(given).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return max(0, round(seconds * 1000))


def wait_named_in(message: str) -> int | None:
    """The wait in "Please try again in 1.5s", in milliseconds; "retry after 20 seconds" and "…in 6m0s" too."""
    found = _WAIT.search(message)
    if found is None:
        return None
    return round(sum(float(n) * _UNIT_MS[unit.lower()] for n, unit in _SPAN.findall(found[1])))


# What a person of a plan can do, by the plan; of others nothing is known.
_MORE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("free", "go"), "A larger plan has a higher limit: https://chatgpt.com/explore/plus."
    ),
    "plus": "The plan pro has a higher limit, and credits lift it: https://chatgpt.com/codex/settings/usage.",
    **dict.fromkeys(
        ("pro", "prolite", "promax"), "Credits lift it: https://chatgpt.com/codex/settings/usage."
    ),
    **dict.fromkeys(
        ("team", "business", "enterprise", "edu", "ent26"),
        "An administrator of the workspace can grant more.",
    ),
}


def limit_text(complaint: ProviderError, said: str, headers: Mapping[str, str], now: float) -> str:
    """The error about a limit of usage, with the time when it resets. `now` is in Unix seconds."""
    if "usage_limit_reached" not in (complaint.code, complaint.type):
        return said
    named = complaint.plan_type or headers.get("x-codex-plan-type")
    plan = f" of the plan {named[:100]}" if named else ""
    at = _reset_of(complaint, headers, now)
    when = ""
    if at is not None and at > now:
        when = f" It is lifted in {span(at - now)}, {_local(at)}."
    more = _MORE.get((named or "").lower(), "")
    return f"The usage limit{plan} is reached.{when}{' ' if more else ''}{more} ({said})"


def _reset_of(complaint: ProviderError, headers: Mapping[str, str], now: float) -> float | None:
    """When a limit resets, in Unix seconds: as the body says, else the last of the used up windows."""
    if complaint.resets_at is not None:
        return complaint.resets_at
    if complaint.resets_in_seconds is not None:
        return now + complaint.resets_in_seconds
    times = []
    for name in ("x-codex-primary", "x-codex-secondary"):
        used = finite_number(headers.get(f"{name}-used-percent"))
        at = finite_number(headers.get(f"{name}-reset-at"))
        after = finite_number(headers.get(f"{name}-reset-after-seconds"))
        if at is None and after is not None:
            at = now + after
        if used is not None and used >= 100 and at is not None:
            times.append(at)
    after_ms = retry_after_ms(headers, now)
    if not times and after_ms is not None:
        times.append(now + after_ms / 1000)
    return max(times, default=None)


def _local(at: float) -> str:
    """A time where the daemon is: 2026-11-28 02:21 CET."""
    import time

    try:
        return time.strftime("on %Y-%m-%d at %H:%M %Z", time.localtime(at)).rstrip()
    except (OverflowError, ValueError, OSError):  # a year that no calendar has
        return "at a time that no clock has"


def span(seconds: float) -> str:
    """Seconds as a person says them, to the larger two units."""
    whole = max(1, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (whole % 60, "s")]
    said = [f"{count} {unit}" for count, unit in units if count]
    return " ".join(said[:2])
