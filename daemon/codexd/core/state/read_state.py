"""What of a thread its people have not seen: a fold, for decisions, for screens and for lists.

Law: a thread is unread from its first result on that nobody has marked as read. Each change has a number of its own,
so that a client can say which state it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e

# In place of a turn: a person marked the thread as unread.
FROM_START: Final = ""

# The events that give it its next revision.
READ_STATE_CHANGES: Final = (e.TurnCompleted, e.TurnFailed, e.ReadStateSet)


class ReadState(msgspec.Struct, frozen=True, gc=False):
    """The fold."""

    first_unread: str | None = None  # a turn's id, or `FROM_START`; None: all is read
    revision: int = 0  # the number of the last change; 0: nothing has ended yet
    turn: str | None = None  # that runs
    # Whether results count: not those of before it was recorded, which nobody could mark as read.
    counts: bool = False

    def after(self, event: e.Event | e.Unknown) -> ReadState:
        """The state after an event; the same object where nothing has changed."""
        match event:
            case e.TurnStarted():
                return replace(self, turn=event.turn_id)
            case e.TurnInterrupted():
                return replace(self, turn=None)
            case e.TurnCompleted() | e.TurnFailed():
                return self._ended()
            case e.ReadStateSet():
                return self._changed(FROM_START if event.unread else None)
            case e.ThreadStarted():
                return replace(self, counts=event.source is not None and event.reviews is None)
            case e.ThreadImported() | e.ThreadTakenIn() | e.ThreadForked():
                return ReadState(counts=True)  # Its past is nobody's news.
            case _:
                return self

    def before(self, events: Sequence[e.Event | e.Unknown]) -> ReadState:
        """The state before the events that led to this one, of which the first began a turn or the thread.

        What was unread before a mark among them cannot be told from here: it is taken as read.
        """
        begun = {event.turn_id for event in events if isinstance(event, e.TurnStarted)}
        marked = any(isinstance(event, e.ReadStateSet) for event in events)
        first = None if marked or self.first_unread in begun else self.first_unread
        changes = sum(isinstance(event, READ_STATE_CHANGES) for event in events)
        return replace(self, first_unread=first, revision=self.revision - changes, turn=None)

    def _ended(self) -> ReadState:
        ended = replace(self, turn=None)
        if not self.counts:
            return ended
        first = self.turn if self.first_unread is None else self.first_unread
        return ended._changed(first)

    def _changed(self, first_unread: str | None) -> ReadState:
        return replace(self, first_unread=first_unread, revision=self.revision + 1)
