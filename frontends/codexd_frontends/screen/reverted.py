"""The lines about turns that were reverted or restored. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from codexd_frontends.screen.drawn import one_line


class RevertAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to thread/revert and thread/revert/undo."""

    thread: Raw
    turns: int = 0


class RevertedNote(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """thread/reverted; without `before_turn_id`, turns were brought back."""

    turns: int = 0
    before_turn_id: str | None = None


def turns_of(count: int) -> str:
    """A count of turns as text."""
    return "1 turn" if count == 1 else f"{count} turns"


def reverted_line(note: RevertedNote) -> str:
    """The line at the place of the revert: the lines above it stay."""
    turns = turns_of(note.turns)
    if note.before_turn_id is None:
        return f"— {turns} restored —"
    return f"— {turns} reverted: turn {one_line(note.before_turn_id)} and all later turns —"
