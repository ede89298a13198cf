"""Events -> what changed beside the turns of a thread: its queue, and what of it is unread."""

from __future__ import annotations

from copy import copy

from codexd.core.events import events as e
from codexd.core.state.read_state import FROM_START, ReadState
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId, ThreadId
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol import notifications as n
from codexd.protocol import read_state as r


class BesideTurns:
    """The fold of one thread."""

    def __init__(self, thread_id: ThreadId) -> None:
        self._thread_id = thread_id
        self._waiting: frozenset[ItemId] = frozenset()  # inputs that clients were told of
        self._read = ReadState()
        self.withdrawn: frozenset[ItemId] = frozenset()  # inputs, since a turn began

    def start_at(self, state: ThreadState) -> None:
        """Set it to a loaded thread's state."""
        self._waiting, self._read = frozenset(q.item_id for q in state.queue), state.read

    def copy(self) -> BesideTurns:
        """A copy that does not change when this object does."""
        return copy(self)

    def apply(self, event: e.Event | e.Unknown, *, busy: bool) -> list[Outgoing]:
        """The notifications of an event; `busy`: a turn runs before it."""
        messages: list[Outgoing] = []
        if self._changes_queue(event, busy):
            changed = n.ThreadQueueChangedNotification(thread_id=self._thread_id)
            messages.append(Outgoing("thread/queue/changed", changed))
        before, self._read = self._read, self._read.after(event)
        if self._read.counts and self._read.revision > before.revision:
            marked = r.ThreadReadStateChangedNotification(
                thread_id=self._thread_id, read_state=shown_read_state(self._read)
            )
            messages.append(Outgoing("thread/readState/changed", marked, to_all=True))
        return messages

    def _changes_queue(self, event: e.Event | e.Unknown, busy: bool) -> bool:
        match event:
            case e.InputQueued():
                self.withdrawn -= {event.item_id}
                if busy:
                    self._waiting |= {event.item_id}
                return busy
            case e.InputWithdrawn():
                self.withdrawn |= {event.item_id}
                self._waiting -= {event.item_id}
                return True
            case e.InputsReordered() | e.TurnQueued() | e.TurnWithdrawn():
                return True
            case e.TurnStarted():
                started = self._waiting.intersection(event.inputs)
                self._waiting -= started
                self.withdrawn = frozenset()
                return bool(started)
            case _:
                return False


def shown_read_state(read: ReadState) -> r.ThreadReadState:
    """What is unread, as the wire has it."""
    if read.first_unread is None:
        return r.ThreadReadState(None, str(read.revision))
    if read.first_unread == FROM_START:
        return r.ThreadReadState(r.FromStart(), str(read.revision))
    return r.ThreadReadState(r.FromTurn(read.first_unread), str(read.revision))
