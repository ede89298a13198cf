"""Response headers -> the account's rate limits, one snapshot a family.

`x-codex-primary-used-percent` names the family `codex`; any other `x-<family>-primary-used-percent`
names one more (spec: features, section 21). A family without a single window is no news, and left out.
"""

from __future__ import annotations

import math
import re

from codexd.protocol.notifications import RateLimits, RateLimitWindow

_FAMILY = re.compile(r"x-(.{1,64}?)-(?:primary|secondary)-used-percent")


def read_limits(headers: dict[str, str]) -> list[RateLimits]:
    """The families in the headers, `codex` first."""
    families = {match[1] for name in headers if (match := _FAMILY.fullmatch(name.lower()))}
    lower = {name.lower(): value for name, value in headers.items()}
    found = []
    for family in sorted(families, key=lambda name: (name != "codex", name)):
        primary, secondary = _window(lower, family, "primary"), _window(lower, family, "secondary")
        if primary is not None or secondary is not None:
            found.append(
                RateLimits(
                    limit_id=family.replace("-", "_"),
                    limit_name=lower.get(f"x-{family}-limit-name"),
                    primary=primary,
                    secondary=secondary,
                    plan_type=lower.get(f"x-{family}-plan-type"),
                )
            )
    return found


def _window(headers: dict[str, str], family: str, which: str) -> RateLimitWindow | None:
    used = _number(headers.get(f"x-{family}-{which}-used-percent"))
    if used is None:
        return None
    minutes = _number(headers.get(f"x-{family}-{which}-window-minutes"))
    reset = _number(headers.get(f"x-{family}-{which}-reset-at"))
    if not used and not minutes and reset is None:
        return None
    return RateLimitWindow(
        math.floor(used + 0.5),
        int(minutes) if minutes is not None else None,
        int(reset) if reset is not None else None,
    )


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
