"""What a thread does, as sentences: `given(*events).when(command).then(*events).then_due(*effects)`.

Whole objects are compared. Every outcome is held, besides, to what is true of any decision: its events
read back from the log as they were written, and lead to the same state.
"""

from __future__ import annotations

from codexd.core.commands import Command, Rejected
from codexd.core.decide.decide import decide
from codexd.core.events.events import Event, decode_event, encode_event
from codexd.core.state.due import Effect, due
from codexd.core.state.state import ThreadState, fold


def given(*events: Event) -> Given:
    """These have happened."""
    return Given(events)


class Given:
    """A past."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self._events = events

    def when(self, command: Command) -> Outcome:
        """Then this is asked."""
        state = fold(self._events)
        try:
            return Outcome(state, decide(state, command), None)
        except Rejected as refusal:
            return Outcome(state, [], refusal)

    def due(self, *effects: Effect) -> None:
        """This should be under way, whether or not anything else is asked."""
        assert due(fold(self._events)) == frozenset(effects)


class Outcome:
    """What a command led to."""

    def __init__(self, before: ThreadState, events: list[Event], refusal: Rejected | None) -> None:
        self.events, self.refusal = events, refusal
        self.state = fold(events, before)
        assert fold([reread(event) for event in events], before) == self.state

    def then(self, *events: Event) -> Outcome:
        """Exactly this happened; nothing, where nothing is named."""
        assert self.refusal is None, self.refusal
        assert self.events == list(events)
        return self

    def then_rejected(self, code: str) -> Outcome:
        """It was refused, under this word, with a sentence for whoever asked."""
        assert self.refusal is not None, f"it was not refused: {self.events}"
        assert self.refusal.code == code
        assert self.refusal.message
        return self

    def then_due(self, *effects: Effect) -> Outcome:
        """This should be under way now, and nothing else."""
        assert due(self.state) == frozenset(effects)
        return self


def reread(event: Event) -> Event:
    """The event as it comes back from the log."""
    again = decode_event(event.type, event.v, encode_event(event))
    assert again == event
    return again
