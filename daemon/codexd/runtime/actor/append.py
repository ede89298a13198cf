"""Events on their way into a thread's log: framed, with the folds that they need run ahead of it.

A request's print depends on the events in front of it in the same append, so history and usage are folded
before the log has them. Where it does not take them they go back to where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from codexd.core.events.events import (
    Event,
    ModelCallStarted,
    RequestPrint,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    encode_event,
)
from codexd.core.events.record import Recorded, decode_record, encode_members
from codexd.core.events.revert import MARKERS
from codexd.core.state.state import ThreadState, evolve
from codexd.projections.model.history import ModelHistory
from codexd.projections.usage.totals import UsageTotals
from codexd_eventstore.store import Appended, NewEvent, Refused, StoreError, StoreFailed


class Tentative:
    """What one append is about to make of a thread."""

    def __init__(self, state: ThreadState, history: ModelHistory, usage: UsageTotals) -> None:
        """`history` and `usage` are folded in place."""
        self.state = state
        self.new: list[NewEvent] = []
        self.recorded: list[Recorded] = []
        self._history, self._usage = history, usage
        self._savepoint, self._used = history.savepoint(), usage.now

    def run(
        self,
        events: Sequence[Event],
        version: int,
        at_us: int,
        *,
        by: str | None,
        key: str | None,
        print_request: Callable[[str], RequestPrint],
    ) -> None:
        """Fold the events, which follow on `version`, and frame them."""
        for event in events:
            if isinstance(event, ModelCallStarted) and event.purpose != "compact":
                withheld = self._history.reasoning_owners.withheld(event.model, event.provider)
                request = replace(print_request(event.model), withheld=withheld)
                event = replace(event, request=request)
            turn = self.state.turn
            self.state = evolve(self.state, event)
            turn = self.state.turn or turn
            turn_id = turn.turn_id if turn is not None else None
            seq = version + len(self.new) + 1
            self._history.apply(event, seq)
            self._usage.apply(event)
            members = encode_members(by, turn_id)
            self.new.append(NewEvent(event.type, encode_event(event), event.v, members))
            first = key if not self.recorded else None
            self.recorded.append(Recorded(seq, at_us // 1000, event, by, turn_id, first))

    def rollback(self) -> None:
        """The log did not take them: nothing has happened."""
        self._history.rollback(self._savepoint)
        self._usage.now = self._used


def as_written(recorded: list[Recorded], appended: Appended) -> list[Recorded]:
    """The records as they stand in the log, for whoever shows or keeps them.

    Where secrets were taken out of them, the thread's own folds keep what was really said and done: a tool
    runs with the arguments that the model gave. A daemon that starts later folds what is written.
    """
    if not appended.redacted:
        return recorded
    return [decode_record(record.line) for record in appended.records]


def has_changed_nothing(error: StoreError) -> bool:
    """Whether log and folds stand where they stood before the append that raised it."""
    return isinstance(error, Refused) or (isinstance(error, StoreFailed) and error.retry)


def by_turn(events: Sequence[Event]) -> list[list[Event]]:
    """The events cut where a turn ends, and behind markers: a thread may be forked there, and not
    within an append.

    A daemon that dies between the parts finds the next input still queued, and goes on.
    """
    parts: list[list[Event]] = []
    begin = True
    for event in events:
        if begin:
            parts.append([])
        parts[-1].append(event)
        begin = isinstance(event, (TurnCompleted, TurnInterrupted, TurnFailed, *MARKERS))
    return parts
