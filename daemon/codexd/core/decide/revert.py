"""Judging whether what happened may be taken back, or brought back.

Where in the log a turn stands is looked up by whoever asks; what was looked up before another marker came is
refused, and is to be looked up again.
"""

from __future__ import annotations

from typing import assert_never

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.transition import Transition
from codexd.core.events.revert import (
    HistoryCompactionUndone,
    HistoryReverted,
    HistoryRevertUndone,
)

# The code of the refusal after which it is to be looked up again.
LOOK_AGAIN = "history_changed"

TakingBack = c.RevertHistory | c.UndoRevert | c.UndoCompaction


def decide_taking_back(transition: Transition, command: TakingBack) -> None:
    """Take turns back, bring them back, or make a compaction undone. Raises: Rejected."""
    if transition.state.turn is not None:
        raise Rejected(
            "turn_in_progress",
            "a turn is running: interrupt it first; nothing was taken back and nothing brought back",
        )
    if command.markers != transition.state.markers:
        raise Rejected(
            LOOK_AGAIN,
            "the thread was reverted by somebody else at the same time: look at it, then try again; "
            "nothing was changed",
        )
    match command:
        case c.RevertHistory():
            transition.add(
                HistoryReverted(
                    command.before_turn, command.to_seq, command.turns, command.turns_left
                )
            )
        case c.UndoRevert():
            transition.add(HistoryRevertUndone(command.reverted_seq, command.turns))
        case c.UndoCompaction():
            transition.add(HistoryCompactionUndone(command.compacted_seq))
        case _:
            assert_never(command)
