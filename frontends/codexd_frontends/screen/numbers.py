"""Numbers as people read them: tokens short in a status line and exact elsewhere, and money. Pure.

Always as in en-US, in any locale: programs read the output of codexctl too.
"""

from __future__ import annotations

from operator import add, sub

from msgspec.structs import astuple

from codexd.protocol.usage import ThreadTokenUsage, TokenUsageBreakdown

_UNITS = ((1000, "K"), (1000**2, "M"), (1000**3, "G"))
# Below a dollar the cents are not enough to distinguish turns.
_FINE_BELOW_USD = 1.0


def exact(number: int) -> str:
    """Every digit, in groups of three."""
    return f"{number:,}"


def short(number: int) -> str:
    """Three significant figures with an SI suffix, rounded half up; below a thousand every digit."""
    number = max(number, 0)
    if number < 1000:
        return str(number)
    for unit, suffix in _UNITS:
        for decimals in (2, 1, 0):
            scaled = _rounded(number * 10**decimals, unit)
            if scaled < 1000:
                return f"{_with_point(scaled, decimals)}{suffix}"
    return f"{exact(_rounded(number, _UNITS[-1][0]))}{_UNITS[-1][1]}"


def _rounded(number: int, unit: int) -> int:
    """Half up, in whole numbers: `round` goes to the even one."""
    return (2 * number + unit) // (2 * unit)


def _with_point(digits: int, decimals: int) -> str:
    if not decimals:
        return str(digits)
    whole, rest = divmod(digits, 10**decimals)
    return f"{whole}.{rest:0{decimals}}"


def money(dollars: float | None) -> str:
    """US dollars; a dash where not known."""
    if dollars is None:
        return "-"
    return f"${dollars:,.4f}" if dollars < _FINE_BELOW_USD else f"${dollars:,.2f}"


def tokens_plus(tokens: TokenUsageBreakdown, other: TokenUsageBreakdown) -> TokenUsageBreakdown:
    """The sum of two counts."""
    return TokenUsageBreakdown(*map(add, astuple(tokens), astuple(other)))


def tokens_minus(tokens: TokenUsageBreakdown, other: TokenUsageBreakdown) -> TokenUsageBreakdown:
    """What `one` has more than `other`."""
    return TokenUsageBreakdown(*map(sub, astuple(tokens), astuple(other)))


def blended(used: TokenUsageBreakdown) -> int:
    """The usage as one figure: input that was not cached, and output."""
    return max(used.input_tokens - used.cached_input_tokens, 0) + used.output_tokens


def status_line(usage: ThreadTokenUsage) -> str:
    """How full the window is, and what the thread has used."""
    used = f"{short(blended(usage.total))} tokens"
    left = usage.percent_left
    return used if left is None else f"{left}% context left · {used}"


def summary_line(used: TokenUsageBreakdown) -> str:
    """The exact usage."""
    cached, reasoning = used.cached_input_tokens, used.reasoning_output_tokens
    fresh = max(used.input_tokens - cached, 0)
    return (
        f"Token usage: total={exact(blended(used))} input={exact(fresh)}"
        f"{f' (+ {exact(cached)} cached)' if cached > 0 else ''} output={exact(used.output_tokens)}"
        f"{f' (reasoning {exact(reasoning)})' if reasoning > 0 else ''}"
    )


def span(seconds: float) -> str:
    """A time as people say it, in its larger two units: 3 h 12 min."""
    whole = max(round(seconds), 0)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (whole % 60, "s"))
    said = [f"{count} {unit}" for count, unit in units if count]
    return " ".join(said[:2]) or "0 s"
