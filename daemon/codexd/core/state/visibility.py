"""The markers of a thread -> which of its records count: one pure fold, which every projection honours.

Laws. A revert takes away the records between the turn that it goes back to and itself: those are *dead*
while it stands. It stands until it is undone, and the last one that stands is undone first: so dead ranges
lie within each other or apart, and what an undone revert had spanned is as it was before it. An undo is no
part of the past that a revert takes away: a turn that was brought back stays until it is taken back itself.

The requests between the beginning of what was brought back and the undo went out without it. What they
say of their own beginnings, counted and hashed, is no longer so: those records are *muted*.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from codexd.core.events.compaction import CompactionFailed, PinAdded, PinRemoved
from codexd.core.events.events import (
    NO_JSON,
    Event,
    InputQueued,
    InputWithdrawn,
    ModelCallEnded,
    ModelCallStarted,
    ThreadForked,
    TurnStarted,
    Unknown,
)
from codexd.core.events.history import HistoryCompacted, ThreadTakenIn
from codexd.core.events.revert import (
    HistoryCompactionUndone,
    HistoryReverted,
    HistoryRevertUndone,
)
from codexd.core.values.items import TurnError


class Span(NamedTuple):
    """Records from one to another, both included."""

    first: int
    last: int


class Revert(NamedTuple):
    """A revert that stands."""

    seq: int
    to_seq: int


class Reverts(msgspec.Struct, frozen=True, gc=False):
    """The fold. A few numbers for each revert that stands and each compaction that was undone."""

    reverts: tuple[Revert, ...] = ()  # that stand, oldest first
    muted: tuple[Span, ...] = ()  # in order, apart from each other
    cancelled: tuple[
        int, ...
    ] = ()  # the compactions that were undone, in the order of their records

    def after(self, seq: int, event: Event | Unknown) -> Reverts:
        """With one more record; the same object where it is no marker."""
        match event:
            case HistoryReverted():
                return replace(self, reverts=(*self.reverts, Revert(seq, event.to_seq)))
            case HistoryRevertUndone():
                undone = [revert for revert in self.reverts if revert.seq == event.reverted_seq]
                left = tuple(revert for revert in self.reverts if revert.seq != event.reverted_seq)
                muted = (Span(one.to_seq + 1, seq) for one in undone)
                return replace(self, reverts=left, muted=_merged((*self.muted, *muted)))
            case HistoryCompactionUndone():
                return replace(
                    self,
                    cancelled=tuple(sorted({*self.cancelled, event.compacted_seq})),
                    muted=_merged((*self.muted, Span(event.compacted_seq, seq))),
                )
            case _:
                return self

    @property
    def dead(self) -> tuple[Span, ...]:
        """The records that do not count, in order, apart from each other."""
        return _merged(Span(revert.to_seq + 1, revert.seq - 1) for revert in self.reverts)

    @property
    def last(self) -> Revert | None:
        """The revert that is undone next."""
        return self.reverts[-1] if self.reverts else None

    def differs_at(self, other: Reverts, up_to: int) -> int | None:
        """The first record up to one of which the two do not say the same; None where there is none."""
        pairs = (
            (_within(self.dead, up_to), _within(other.dead, up_to)),
            (_within(self.muted, up_to), _within(other.muted, up_to)),
            (_up_to(self.cancelled, up_to), _up_to(other.cancelled, up_to)),
        )
        found = [seq for one, two in pairs if (seq := _first_in_one_only(one, two)) is not None]
        return min(found, default=None)


class Visibility:
    """What each record says as the thread stands, for whoever asks about many."""

    def __init__(self, reverts: Reverts) -> None:
        self.reverts, self.dead = reverts, reverts.dead
        self._muted, self._cancelled = reverts.muted, frozenset(reverts.cancelled)
        self._plain = reverts == Reverts()

    def span(self, seq: int) -> Span | None:
        """The dead records that a record is among; None where it counts."""
        return _span_at(self.dead, seq)

    def counts(self, seq: int) -> bool:
        """Whether a record counts."""
        return not self.dead or _span_at(self.dead, seq) is None

    def is_muted(self, seq: int) -> bool:
        """Whether what a request says of its own beginning is no longer so."""
        return _span_at(self._muted, seq) is not None

    def of(self, seq: int, event: Event | Unknown) -> Iterable[Event | Unknown]:
        """What a record says to those who fold what the model is given."""
        if self._plain:
            return (event,)
        if isinstance(event, PinAdded):
            return (event,) if self.counts(event.seq) else ()
        if not self.counts(seq):
            return _of_dead(event)
        if isinstance(event, HistoryCompacted) and seq in self._cancelled:
            return (CompactionFailed(event.item_id, _UNDONE),)
        if isinstance(event, ModelCallStarted | ModelCallEnded) and self.is_muted(seq):
            return (_quiet(event),)
        return (event,)


_UNDONE = TurnError("it was undone")


# What says something even where it does not count. An input waits for its turn whatever is taken back
# meanwhile, one that had its turn does not; and what a person pinned is pinned for as long as it is there.
# And that a past came from elsewhere is so however much of it is taken back.
SAYING_ANYWAY = (
    InputQueued,
    InputWithdrawn,
    ThreadForked,
    ThreadTakenIn,
    TurnStarted,
    PinAdded,
    PinRemoved,
)


def _of_dead(event: Event | Unknown) -> Iterable[Event | Unknown]:
    if isinstance(event, TurnStarted):
        return [InputWithdrawn(item_id) for item_id in event.inputs]
    return (event,) if isinstance(event, SAYING_ANYWAY) else ()


def _quiet(event: ModelCallStarted | ModelCallEnded) -> Event:
    """It without what it says of a history that has become another."""
    if isinstance(event, ModelCallStarted):
        return replace(event, request=None)
    return replace(event, usage=NO_JSON)


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same records, in order, each in one span; what lies side by side is one."""
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
    at = bisect_right(spans, (seq, _BEHIND_ALL)) - 1
    return spans[at] if at >= 0 and seq <= spans[at].last else None


_BEHIND_ALL = 1 << 62  # no log has so many records


def _within(spans: tuple[Span, ...], up_to: int) -> tuple[Span, ...]:
    return tuple(Span(span.first, min(span.last, up_to)) for span in spans if span.first <= up_to)


def _up_to(seqs: tuple[int, ...], up_to: int) -> tuple[Span, ...]:
    return tuple(Span(seq, seq) for seq in seqs if seq <= up_to)


def _first_in_one_only(one: tuple[Span, ...], two: tuple[Span, ...]) -> int | None:
    """The first record that is in the one and not in the other."""
    for a, b in zip(one, two, strict=False):
        if a != b:
            return min(a.first, b.first) if a.first != b.first else min(a.last, b.last) + 1
    longer = one if len(one) > len(two) else two
    return longer[min(len(one), len(two))].first if len(one) != len(two) else None
