"""Rules for reverts, and for undoing reverts and compactions.

The caller looks up the position of a turn in the log. If another marker was appended since then, the command
is refused, and the caller looks the position up again.
"""

from __future__ import annotations

from typing import assert_never

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e

# The code of the refusal after which the caller looks the position up again.
LOOK_AGAIN = "history_changed"

TakingBack = c.RevertHistory | c.UndoRevert | c.UndoCompaction


def decide_taking_back(transition: Transition, command: TakingBack) -> None:
    """Revert turns, undo a revert, or undo a compaction. Raises: Rejected."""
    if transition.state.turn is not None:
        raise Rejected(
            "turn_in_progress",
            "a turn is running: interrupt it first; nothing was reverted or restored",
        )
    if command.markers != transition.state.markers:
        raise Rejected(
            LOOK_AGAIN,
            "the thread was reverted by another client at the same time: look at it, then try again; "
            "nothing was changed",
        )
    match command:
        case c.RevertHistory():
            transition.add(
                e.HistoryReverted(
                    command.before_turn, command.to_seq, command.turns, command.turns_left
                )
            )
        case c.UndoRevert():
            transition.add(e.HistoryRevertUndone(command.reverted_seq, command.turns))
        case c.UndoCompaction():
            transition.add(e.HistoryCompactionUndone(command.compacted_seq))
        case _:
            assert_never(command)
