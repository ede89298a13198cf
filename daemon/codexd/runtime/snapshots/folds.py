"""The folds of a loaded thread's log in one value; a snapshot is its encoding.

Only this place lists the folds that advance together. An append that may fail is folded into a copy, and dropping
the copy rolls it back.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events.record import Recorded
from codexd.core.state.state import ThreadState, distrusted, evolve
from codexd.core.state.visibility import Reverts, Visibility
from codexd.projections.model.history import ModelHistory
from codexd.projections.summary import Summary
from codexd.projections.usage.totals import Usage

ALL_COUNT: Final = Visibility(Reverts())


class Folds(msgspec.Struct, array_like=True):
    """The folds of one thread; one actor owns them. All members but the summary are values."""

    state: ThreadState = ThreadState()
    history: ModelHistory = msgspec.field(default_factory=ModelHistory)
    usage: Usage = Usage()
    summary: Summary = msgspec.field(default_factory=Summary)

    @property
    def version(self) -> int:
        """The last event that was applied."""
        return self.summary.seq

    @property
    def between_turns(self) -> bool:
        """Whether nothing is open and nothing waits, so that the next event begins something new."""
        return self.state.turn is None and not self.state.queue and not self.state.waiting

    def apply(self, recorded: Recorded, visibility: Visibility = ALL_COUNT) -> None:
        """Apply the next event; `visibility` says what the history gets of it after reverts."""
        before = self.state
        self.state = evolve(before, recorded.event)
        if recorded.foreign:
            self.state = distrusted(before, self.state)
        said = visibility.of(recorded.seq, recorded.event)
        self.history = self.history.after_all(said, recorded.seq)
        self.usage = self.usage.after(recorded.event)
        self.summary.apply(recorded)

    def copy(self) -> Folds:
        """A copy that is folded independently. Its cost does not depend on the length of the history."""
        return replace(self, summary=replace(self.summary))
