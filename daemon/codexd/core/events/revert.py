"""Events that take back what happened, and events that bring it back: nothing leaves the log by any of them.

What of a thread's past counts after them is said by `core/state/visibility.py`, and by nobody else.
"""

from __future__ import annotations

from codexd.core.events.base import Fact
from codexd.core.values.ids import TurnId


class HistoryReverted(Fact, frozen=True):
    """The thread stands as it stood behind record `to_seq`: a turn, and all turns behind it, count no more."""

    type = "history.reverted"
    before_turn: TurnId  # the first of those that count no more
    to_seq: int  # the end of the last turn that is left; 0: none is
    turns: int  # so many count no more by this
    turns_left: int
    tokens: int = 0  # what the model's history comes to now, an estimate


class HistoryRevertUndone(Fact, frozen=True):
    """What a revert took away counts again, in its place; the turns since then stay behind it."""

    type = "history.revert_undone"
    reverted_seq: int  # the record of the revert
    turns: int  # so many count again
    tokens: int = 0


class HistoryCompactionUndone(Fact, frozen=True):
    """The model's history is what it would be had that compaction not happened."""

    type = "history.compaction_undone"
    compacted_seq: int  # the record of the compaction
    tokens: int = 0


# After any of these, what the model was told may be gone from its history.
Marker = HistoryReverted | HistoryRevertUndone | HistoryCompactionUndone
MARKERS = (HistoryReverted, HistoryRevertUndone, HistoryCompactionUndone)
MARKER_TYPES = frozenset(kind.type for kind in MARKERS)
