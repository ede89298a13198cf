"""Appends the events of a rollout to a log: one append for each line, with the line's own time. I/O.

Law: all records are appended as foreign, so that a thread is taken in (`core/decide/take_in.py`) when it is
loaded, even if the import was cut off.
"""

from __future__ import annotations

from collections.abc import Sequence

from codexd.core.decide.transition import Transition
from codexd.core.events.events import Event, ThreadForked, encode_event
from codexd.core.events.record import encode_members
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.importing.record_size import Fitted
from codexd.importing.rollout.lines import LineWarning
from codexd_eventstore.store import EventStore, NewEvent, Refused

# The `by` of records that come from no line of a rollout: the end, and the events that close open turns.
IMPORTER = "import:end"
# A fork point lies between two appends; one append (a line of a rollout) has at most this many records.
APPEND_RECORDS_MAX = 256


class Writing:
    """One thread's log."""

    def __init__(self, store: EventStore, stream: str, version: int, *, dry: bool) -> None:
        """`dry`: nothing is written; the records are only counted."""
        self.stream, self.count = stream, 0
        self.complaints: list[LineWarning] = []
        self._store, self._version, self._dry = store, version, dry

    async def append(self, group: Sequence[Fitted]) -> None:
        """Append the events of one line."""
        events = []
        for fitted in group:
            if fitted.complaint is not None:
                self.complaints.append(fitted.complaint)
            if fitted.blob is not None and not self._dry:
                await self._store.put_blob(fitted.blob)
            if fitted.data is not None:
                timed = fitted.timed
                events.append(_new(timed.event, timed.by, timed.turn, fitted.data))
        await self._append(events, group[0].timed.at_us, durable=False)

    async def close(self, events: Sequence[Event], at_us: int) -> None:
        """Append the last records, and sync the log to disk."""
        await self._append([_new(event, IMPORTER) for event in events], at_us, durable=True)

    async def fork(
        self, parent: ThreadId, point: int, state: ThreadState, by: str, at_us: int
    ) -> None:
        """Begin as a fork of its parent; a turn that ran there is interrupted here."""
        transition = Transition(state)
        if state.turn is not None:
            transition.interrupt((), "forked")
        self.count += 1 + len(transition.events)
        if self._dry:
            return
        for seq in range(point, max(point - APPEND_RECORDS_MAX, 0), -1):
            events = [_new(event, by) for event in (ThreadForked(parent, seq), *transition.events)]
            try:
                appended = await self._store.fork(parent, seq, self.stream, events, at_us=at_us)
            except Refused:
                continue  # The point is within an append, so the line before it is the last shared one.
            self._version = appended.last
            return
        raise Refused(f"thread {parent} has no fork point before record {point + 1}")

    async def _append(self, events: list[NewEvent], at_us: int, *, durable: bool) -> None:
        self.count += len(events)
        if self._dry or not events:
            return
        appended = await self._store.append(
            self.stream, events, expected_version=self._version, at_us=at_us, durable=durable
        )
        self._version = appended.last


def _new(event: Event, by: str, turn: str | None = None, data: bytes | None = None) -> NewEvent:
    """`data`: the event, if it is encoded already."""
    members = encode_members(by, turn)
    return NewEvent(event.type, data or encode_event(event), event.v, members, foreign=True)
