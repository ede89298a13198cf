"""What a thread's log is folded into while it is loaded, and what is kept of that to go on from.

A place is taken only between turns: then nothing is open, nothing waits, and whatever comes next begins
with its own first event.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events.record import Recorded
from codexd.core.state.state import ThreadState, distrusted, evolve
from codexd.core.state.visibility import Reverts, Visibility
from codexd.projections.model.history import HistorySnapshot, ModelHistory
from codexd.projections.summary import Summary
from codexd.projections.usage.totals import Usage, UsageTotals

ALL_COUNT = Visibility(Reverts())


class FoldsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """Where the folds stand, without the items that a request has had."""

    state: ThreadState
    history: HistorySnapshot
    usage: Usage
    summary: Summary


class Folds(msgspec.Struct):
    """The folds of one thread; one actor owns them."""

    state: ThreadState
    history: ModelHistory
    usage: UsageTotals
    summary: Summary

    @classmethod
    def empty(cls) -> Folds:
        """Of a thread in which nothing has happened."""
        return cls(ThreadState(), ModelHistory(), UsageTotals(), Summary())

    @classmethod
    def at(cls, place: FoldsSnapshot) -> Folds:
        """As they stood at a place; the items that a request had had by then are absent."""
        usage, history = UsageTotals(place.usage), ModelHistory.at(place.history)
        return cls(place.state, history, usage, replace(place.summary))

    @property
    def version(self) -> int:
        """The last event that was taken in."""
        return self.summary.seq

    @property
    def between_turns(self) -> bool:
        """Whether nothing is open and nothing waits."""
        return self.state.turn is None and not self.state.queue

    def apply(self, recorded: Recorded, standing: Visibility = ALL_COUNT) -> None:
        """Take the next event in; the history has of it what it says as the thread stands."""
        before = self.state
        self.state = evolve(before, recorded.event)
        if recorded.foreign:
            self.state = distrusted(before, self.state)
        self.history.apply_all(standing.of(recorded.seq, recorded.event), recorded.seq)
        self.usage.apply(recorded.event)
        self.summary.apply(recorded)

    def place(self) -> FoldsSnapshot:
        """Where they stand; only between turns."""
        assert self.between_turns, "a place was asked for in the middle of a turn"
        return FoldsSnapshot(
            self.state, self.history.place(), self.usage.now, replace(self.summary)
        )

    def copy(self) -> Folds:
        """The same, to be folded on apart."""
        return Folds(self.state, self.history.copy(), self.usage.copy(), replace(self.summary))
