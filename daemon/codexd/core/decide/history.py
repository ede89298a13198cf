"""Rules for commands about the history: manual compaction, pins, reverts, and undoing reverts and compactions.

For a revert and for an undo the caller looks up a position in the log. If another marker was appended since then, the
command is refused, and the caller looks the position up again.
"""

from __future__ import annotations

from typing import Final, assert_never

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.beside_turns import must_wait, queue_turn
from codexd.core.decide.compaction import begin_compaction, start_compaction
from codexd.core.decide.context import new_instructions
from codexd.core.decide.lookups import Lookups
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e
from codexd.core.events.events import TurnQueued, TurnStarted
from codexd.core.events.history import PinAdded, PinRemoved
from codexd.core.state.waiting import waiting_compaction
from codexd.core.state.window import json_bytes
from codexd.core.values.truncate import tokens_of

# A pin is for a fact, a decision, a piece of output. With larger pins the summary would be the smaller
# part of the new history, and a compaction would save little: messages take a fifth, a summary a quarter.
PIN_PART_OF_WINDOW: Final = 4
ALL_PINS_PART_OF_WINDOW: Final = 3
# The assumed context window if it is unknown: the smallest with which a coding agent is useful.
WINDOW_UNKNOWN_TOKENS: Final = 32_000
# Each pin is a line in a list that a person must be able to read.
PINS_MAX: Final = 100

_Asked = c.CompactThread | c.PinRecord | c.UnpinRecord


def decide_keeping(transition: Transition, command: _Asked, lookups: Lookups) -> None:
    """Compact by hand, pin, unpin. Raises: Rejected."""
    match command:
        case c.CompactThread():
            _compact(transition, command, lookups)
        case c.PinRecord():
            _pin(transition, command, lookups)
        case c.UnpinRecord():
            if all(pin.seq != command.seq for pin in transition.state.pins):
                raise Rejected("not_pinned", f"record {command.seq} is not pinned")
            transition.add(PinRemoved(command.seq))
        case _:
            assert_never(command)


def _compact(transition: Transition, command: c.CompactThread, lookups: Lookups) -> None:
    """Accept a compaction: it begins now, or after the turns that run and wait; several requests are one."""
    state = transition.state
    queued = TurnQueued(command.turn_id, "compact")
    runs = state.turn is not None and state.turn.kind == "compact"
    if not must_wait(state):
        begin_compact_turn(transition, queued, lookups)
    elif not runs and waiting_compaction(state.waiting) is None:
        queue_turn(transition, queued)


def begin_compact_turn(transition: Transition, queued: TurnQueued, lookups: Lookups) -> None:
    """The turn of a compaction begins. Without a history it is over at once, and no model is asked."""
    state, settings = transition.state, transition.settings
    known = lookups.of(settings)
    transition.add(
        TurnStarted(
            queued.turn_id,
            settings,
            kind="compact",
            limits=known.limits,
            tuning=known.tuned.tuning,
            instructions=new_instructions(state, known.instructions),
        )
    )
    if state.window.context_tokens or state.window.full:
        begin_compaction(transition, lookups, "user", "standalone")
    else:
        start_compaction(transition, lookups, "user", "standalone")


def _pin(transition: Transition, command: c.PinRecord, lookups: Lookups) -> None:
    state = transition.state
    if any(pin.seq == command.seq for pin in state.pins):
        return
    window = lookups.of(transition.settings).limits.window or WINDOW_UNKNOWN_TOKENS
    tokens = tokens_of(sum(json_bytes(item) for item in command.items))
    if tokens > window // PIN_PART_OF_WINDOW:
        raise Rejected(
            "pin_too_large",
            f"record {command.seq} takes about {tokens} tokens, and a pin may take at most "
            f"{window // PIN_PART_OF_WINDOW}, a quarter of the model's window: it was not pinned",
        )
    together = tokens + sum(pin.tokens for pin in state.pins)
    if together > window // ALL_PINS_PART_OF_WINDOW or len(state.pins) >= PINS_MAX:
        raise Rejected(
            "too_many_pins",
            f"with record {command.seq} the thread would have {len(state.pins) + 1} pins of about {together} "
            f"tokens; expected at most {PINS_MAX}, of at most {window // ALL_PINS_PART_OF_WINDOW} "
            "together, a third of the model's window: it was not pinned",
        )
    transition.add(PinAdded(command.seq, command.items))


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
