"""Moments as people write them: a date, a time, a day of the week, or so long ago. Pure."""

from __future__ import annotations

import datetime
import re
import time

from codexd_frontends.client.errors import UsageError

_AGO = re.compile(r"([0-9]{1,6})\s*(s|m|min|h|d|w)[a-z]*(?: ago)?")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def moment_ms(text: str, now_s: float | None = None) -> int:
    """A moment in the past, in ms since 1970; a time without a zone is the person's own. Raises: UsageError."""
    now = time.time() if now_s is None else now_s
    word = text.strip().lower()
    if (ago := _AGO.fullmatch(word)) is not None:
        return round((now - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    today = datetime.datetime.fromtimestamp(now).astimezone()
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    if word in ("today", "yesterday"):
        return _ms(midnight - datetime.timedelta(days=word == "yesterday"))
    if word in _DAYS:
        return _ms(midnight - datetime.timedelta(days=(today.weekday() - _DAYS.index(word)) % 7))
    try:
        return _ms(datetime.datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            "expected a time such as 2026-11-27, 2026-11-27T08:00, monday, yesterday, 3h or 2d, "
            f"found {text[:60]!r}; nothing was done"
        ) from error


def _ms(moment: datetime.datetime) -> int:
    return round(moment.timestamp() * 1000)
