"""Searches a long text for an expression, a window at a time.

Law: the matches are those of one search of the whole text, and no single call of the library gets more than
a window, since such a call holds the interpreter lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

# Searching a window takes less than a millisecond for the daemon's own expressions.
WINDOW_BYTES: Final = 64 * 1024
# A person's own expression may take a thousand steps at each byte; see `codexd.machine.linear`.
OWN_WINDOW_BYTES: Final = 4 * 1024
# Longer than any match of an expression of ours; a match that reaches the end is matched again in full.
MATCH_BYTES_MAX: Final = 32 * 1024
# Longer than any anchor of a kind, which is searched for first.
ANCHOR_BYTES_MAX: Final = 512


def matches_in(
    regex: re.Pattern[bytes],
    text: bytes,
    *,
    anchor: re.Pattern[bytes] | None = None,
    window: int = WINDOW_BYTES,
    reach: int = MATCH_BYTES_MAX,
) -> Iterator[re.Match[bytes]]:
    """The matches, in order. Each match contains `anchor`, which is cheaper to search for."""
    at, end = 0, len(text)
    while at < end:
        stop = min(at + window, end)
        limit = min(stop + reach, end)
        if anchor is None or anchor.search(text, at, limit) is not None:
            for found in regex.finditer(text, at, limit):
                if found.start() >= stop and limit < end:
                    break  # The next window has more of the match.
                if found.end() == limit < end:
                    whole = regex.match(text, found.start())
                    if whole is None:
                        continue
                    found = whole
                yield found
                if found.end() > limit:
                    stop = found.end()
                    break
                stop = max(stop, found.end())
        at = stop


def is_in(
    search: Callable[[bytes, int, int], re.Match[bytes] | None], text: bytes, reach: int
) -> bool:
    """Whether the expression matches anywhere in a text; no match is longer than `reach`."""
    return any(
        search(text, at, at + WINDOW_BYTES + reach) is not None
        for at in range(0, len(text), WINDOW_BYTES)
    )


def with_replaced(text: bytes, places: Iterable[tuple[int, int, bytes]]) -> bytes:
    """The text with its `places` replaced, which are in order; the same object if there are none."""
    parts: list[bytes] = []
    end = 0
    for start, stop, put in places:
        parts += (text[end:start], put)
        end = stop
    return b"".join((*parts, text[end:])) if parts else text
