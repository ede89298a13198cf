"""Events of reverts and of their undo; they remove nothing from the log.

Only `core/state/visibility.py` decides which records count after them.
"""

from __future__ import annotations

from codexd.core.events.base import Fact
from codexd.core.values.ids import TurnId


class HistoryReverted(Fact, frozen=True):
    """The thread was reverted to its state after record `to_seq`: a turn and all later turns no longer count."""

    type = "history.reverted"
    before_turn: TurnId  # the first turn that no longer counts
    to_seq: int  # the end of the last turn that is kept; 0: no turn is kept
    turns: int  # how many turns no longer count
    turns_left: int
    tokens: int = 0  # the size of the model's history now, an estimate


class HistoryRevertUndone(Fact, frozen=True):
    """A revert was undone: its turns count again, in their place; later turns stay after them."""

    type = "history.revert_undone"
    reverted_seq: int  # the record of the revert
    turns: int  # how many count again
    tokens: int = 0


class HistoryCompactionUndone(Fact, frozen=True):
    """A compaction was undone: the model's history is as if it had not happened."""

    type = "history.compaction_undone"
    compacted_seq: int  # the record of the compaction
    tokens: int = 0


# After any of these events, context may be missing in the model's history.
RevertEvent = HistoryReverted | HistoryRevertUndone | HistoryCompactionUndone
MARKERS = (HistoryReverted, HistoryRevertUndone, HistoryCompactionUndone)
MARKER_TYPES = frozenset(kind.type for kind in MARKERS)
