"""Which records of a thread count, by its markers: a pure fold that every projection uses.

Laws. A revert excludes the records between the turn that it goes back to and itself: they are *dead* while
the revert is in force. It is in force until it is undone, and the last revert is undone first. So dead ranges
are nested or disjoint, and an undone revert leaves no trace in its range. An undo itself is never
excluded: a restored turn counts until it is reverted itself.

The requests between the start of the restored records and the undo were sent without those records. The counts
and hashes that these requests recorded of their history no longer fit: such records are *muted*.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import zip_longest
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.events import NO_JSON
from codexd.core.values.items import TurnError


class Span(NamedTuple):
    """A range of records, both ends included."""

    first: int
    last: int


class Revert(NamedTuple):
    """A revert in force."""

    seq: int
    to_seq: int


class Reverts(msgspec.Struct, frozen=True, gc=False):
    """The fold. A few numbers for each revert in force and each undone compaction."""

    reverts: tuple[Revert, ...] = ()  # in force, oldest first
    muted: tuple[Span, ...] = ()  # in order, disjoint
    cancelled: tuple[int, ...] = ()  # the undone compactions, in the order of their records

    def after(self, seq: int, event: e.Event | e.Unknown) -> Reverts:
        """The fold after one more record; the same object if it is no marker."""
        match event:
            case e.HistoryReverted():
                return replace(self, reverts=(*self.reverts, Revert(seq, event.to_seq)))
            case e.HistoryRevertUndone():
                undone = [revert for revert in self.reverts if revert.seq == event.reverted_seq]
                left = tuple(revert for revert in self.reverts if revert.seq != event.reverted_seq)
                muted = (Span(span.to_seq + 1, seq) for span in undone)
                return replace(self, reverts=left, muted=_merged((*self.muted, *muted)))
            case e.HistoryCompactionUndone():
                return replace(
                    self,
                    cancelled=tuple(sorted({*self.cancelled, event.compacted_seq})),
                    muted=_merged((*self.muted, Span(event.compacted_seq, seq))),
                )
            case _:
                return self

    @property
    def dead(self) -> tuple[Span, ...]:
        """The records that do not count, in order, as disjoint ranges."""
        return _merged(Span(revert.to_seq + 1, revert.seq - 1) for revert in self.reverts)

    @property
    def last(self) -> Revert | None:
        """The revert that would be undone next."""
        return self.reverts[-1] if self.reverts else None

    def differs_at(self, other: Reverts, up_to: int) -> int | None:
        """The first record up to `up_to` for which two folds differ; None if there is none."""
        first = min(
            _first_in_one_only(self.dead, other.dead),
            _first_in_one_only(self.muted, other.muted),
            _first_in_one_only(_each(self.cancelled), _each(other.cancelled)),
        )
        return first if first <= up_to else None


class Visibility:
    """Which records count, with fast lookups for many records."""

    def __init__(self, reverts: Reverts) -> None:
        self.reverts, self.dead = reverts, reverts.dead
        self._muted, self._cancelled = reverts.muted, frozenset(reverts.cancelled)
        self._plain = reverts == Reverts()

    def span(self, seq: int) -> Span | None:
        """The range of dead records around a record; None if it counts."""
        return _span_at(self.dead, seq)

    def counts(self, seq: int) -> bool:
        return not self.dead or _span_at(self.dead, seq) is None

    def is_muted(self, seq: int) -> bool:
        """Whether the counts and hashes in a record no longer fit."""
        return _span_at(self._muted, seq) is not None

    def of(self, seq: int, event: e.Event | e.Unknown) -> Iterable[e.Event | e.Unknown]:
        """The events of a record for folds of the model's history."""
        if self._plain:
            return (event,)
        if isinstance(event, e.PinAdded):
            return (event,) if self.counts(event.seq) else ()
        if not self.counts(seq):
            return _of_dead(event)
        if isinstance(event, e.HistoryCompacted) and seq in self._cancelled:
            return (e.CompactionFailed(event.item_id, _UNDONE),)
        if isinstance(event, e.ModelCallStarted | e.ModelCallEnded) and self.is_muted(seq):
            return (_quiet(event),)
        return (event,)


_UNDONE = TurnError("it was undone")


# Events with an effect even if their record does not count: a queued input still waits for its turn, unless it had
# its turn; a pin stays as long as its record counts; and foreign records stay foreign.
SAYING_ANYWAY = (
    e.InputQueued,
    e.InputWithdrawn,
    e.ThreadForked,
    e.ThreadTakenIn,
    e.TurnStarted,
    e.PinAdded,
    e.PinRemoved,
)


def _of_dead(event: e.Event | e.Unknown) -> Iterable[e.Event | e.Unknown]:
    if isinstance(event, e.TurnStarted):
        return [e.InputWithdrawn(item_id) for item_id in event.inputs]
    return (event,) if isinstance(event, SAYING_ANYWAY) else ()


def _quiet(event: e.ModelCallStarted | e.ModelCallEnded) -> e.Event:
    """The event without data that no longer fits the history."""
    if isinstance(event, e.ModelCallStarted):
        return replace(event, request=None)
    return replace(event, usage=NO_JSON)


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same records as ordered spans, with adjacent spans merged."""
    merged: list[Span] = []
    for span in sorted(spans):
        if span.first > span.last:
            continue
        if merged and span.first <= merged[-1].last + 1:
            merged[-1] = Span(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return tuple(merged)


def _span_at(spans: tuple[Span, ...], seq: int) -> Span | None:
    at = bisect_right(spans, (seq, _AFTER_ALL)) - 1
    return spans[at] if at >= 0 and seq <= spans[at].last else None


_AFTER_ALL = 1 << 62  # no log has so many records


def _each(seqs: Iterable[int]) -> list[Span]:
    return [Span(seq, seq) for seq in seqs]


def _first_in_one_only(first: Iterable[Span], second: Iterable[Span]) -> int:
    """The first record that is in only one of the two; `_AFTER_ALL` if there is none."""
    both = (
        [at for span in spans for at in (span.first, span.last + 1)] for spans in (first, second)
    )
    edges = zip_longest(*both, fillvalue=_AFTER_ALL)
    return next((min(pair) for pair in edges if pair[0] != pair[1]), _AFTER_ALL)
