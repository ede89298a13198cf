"""Turns that wait though no prompt starts them, each in its place among the queued inputs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from codexd.core.events.events import InputQueued, TurnQueued
from codexd.core.values.ids import ItemId, TurnId


class WaitingTurn(msgspec.Struct, frozen=True):
    """A compaction or a review that waits for its turn."""

    queued: TurnQueued
    after: frozenset[ItemId] = frozenset()  # inputs that were queued before it: theirs come first


WaitingTurns = tuple[WaitingTurn, ...]


def queued_behind(
    waiting: WaitingTurns, event: TurnQueued, queue: Iterable[InputQueued]
) -> WaitingTurns:
    """The waiting turns with one more, behind all that waits now."""
    return (*waiting, WaitingTurn(event, frozenset(queued.item_id for queued in queue)))


def without_turn(waiting: WaitingTurns, turn_id: TurnId) -> WaitingTurns:
    """The waiting turns but one."""
    return tuple(entry for entry in waiting if entry.queued.turn_id != turn_id)


def next_waiting(waiting: WaitingTurns, queue: Iterable[InputQueued]) -> TurnQueued | None:
    """The first waiting turn, if no input that was queued before it still waits."""
    if not waiting or any(queued.item_id in waiting[0].after for queued in queue):
        return None
    return waiting[0].queued


def is_waiting(waiting: WaitingTurns, queue: Iterable[InputQueued], turn_id: str) -> bool:
    """Whether a turn has yet to begin."""
    turns = [entry.queued.turn_id for entry in waiting]
    return turn_id in (*turns, *(queued.turn_id for queued in queue))


def waiting_compaction(waiting: WaitingTurns) -> TurnId | None:
    """The turn of a compaction that waits: several requests for one are one."""
    turns = (entry.queued.turn_id for entry in waiting if entry.queued.kind == "compact")
    return next(turns, None)
