"""The idempotency keys of an open stream: the newest in memory, all in the sidecar.

Law: memory has every key of the appends after `after`. The sidecar may have the earlier keys, and the
log always has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from codexd_eventstore.sidecar.rows import NotedKeys

# Keys that stay in memory once the sidecar has them: repeats mostly come within one retry of a frontend.
KEYS_KEPT_MAX: Final = 1024
# Keys that may wait for the sidecar: more than the shortest records between two of its writes.
KEYS_HELD_MAX: Final = 16 * 1024

Span = tuple[int, int]  # the first and last `seq` of an append


class Keys:
    """Idempotency keys, each with the records of its append."""

    def __init__(self, after: int) -> None:
        self.after = after
        self._base = after
        self._spans: dict[str, Span] = {}
        self._noted: int | None = None  # keys up to this record were handed over

    def add(self, key: str, first: int, last: int) -> None:
        """Remember a key; the oldest is forgotten if there are far too many."""
        if key not in self._spans:
            self._spans[key] = (first, last)
            if len(self._spans) > KEYS_HELD_MAX:
                self._forget(KEYS_HELD_MAX)

    def get(self, key: str) -> Span | None:
        """The first and last `seq` that the key's append got."""
        return self._spans.get(key)

    def hand_over(self, upto: int, *, is_all: bool) -> NotedKeys:
        """The keys up to a durable point that were not handed over yet, for the sidecar.

        Args:
            is_all: whether memory has the keys from the log's first record on.
        """
        after: int | None = self.after if self._noted is None else max(self._noted, self.after)
        floor = after
        if is_all and self._noted is None and self.after == self._base:
            after = None
        spans = tuple(
            (key, first, last)
            for key, (first, last) in self._spans.items()
            if last <= upto and (floor is None or first > floor)
        )
        self._noted = upto
        return NotedKeys(after, spans)

    def refill(self, base: int, spans: Sequence[tuple[str, int, int]]) -> None:
        """Remember all keys of the log, oldest first, if there is no sidecar."""
        newer, self._spans = self._spans, {}
        self.after = base
        for key, first, last in spans:
            self.add(key, first, last)
        for key, span in newer.items():
            self.add(key, *span)

    def trim(self) -> None:
        """Forget the oldest keys that the sidecar has."""
        self._forget(KEYS_KEPT_MAX)

    def _forget(self, kept: int) -> None:
        excess = len(self._spans) - kept
        for key in list(self._spans)[: max(0, excess)]:
            last = self._spans[key][1]
            if kept < KEYS_HELD_MAX and (self._noted is None or last > self._noted):
                return
            self.after = max(self.after, last)
            del self._spans[key]
