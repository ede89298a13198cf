"""Appending what a rollout says to a log: one append for each line, with the line's own time. I/O.

Law: all of it is another program's word. It goes in as foreign, so a thread that is loaded with it is taken in
first (`core/decide/take_in.py`), however far the import came.
"""

from __future__ import annotations

from collections.abc import Sequence

from codexd.core.decide.transition import Transition
from codexd.core.events.events import Event, ThreadForked, encode_event
from codexd.core.events.record import encode_members
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.importing.rollout.lines import ImportWarning
from codexd.importing.rollout.record_size import Fitted
from codexd_eventstore.store import EventStore, NewEvent, Refused

# Who caused a record that no line of a rollout stands behind: its end, and what was open there.
IMPORTER = "import:end"
# A fork stands between two appends; so many records one of a rollout's line may have.
APPEND_RECORDS_MAX = 256


class Writing:
    """One thread's log."""

    def __init__(self, store: EventStore, stream: str, version: int, *, dry: bool) -> None:
        """`dry`: nothing is written, and what would be is counted."""
        self.stream, self.count = stream, 0
        self.complaints: list[ImportWarning] = []
        self._store, self._version, self._dry = store, version, dry

    async def append(self, group: Sequence[Fitted]) -> None:
        """What one line says."""
        events = []
        for one in group:
            if one.complaint is not None:
                self.complaints.append(one.complaint)
            if one.blob is not None and not self._dry:
                await self._store.put_blob(one.blob)
            if one.data is not None:
                event, members = one.told.event, encode_members(one.told.by, one.told.turn)
                events.append(NewEvent(event.type, one.data, event.v, members, foreign=True))
        await self._append(events, group[0].told.at_us, durable=False)

    async def close(self, events: Sequence[Event], at_us: int) -> None:
        """The last records, and all of it on disk."""
        await self._append([_new(event, IMPORTER, None) for event in events], at_us, durable=True)

    async def fork(
        self, parent: ThreadId, point: int, state: ThreadState, by: str, at_us: int
    ) -> None:
        """Begin as a fork of its parent; a turn that ran there is stopped here."""
        transition = Transition(state)
        if state.turn is not None:
            transition.interrupt((), "forked")
        self.count += 1 + len(transition.events)
        if self._dry:
            return
        for seq in range(point, max(point - APPEND_RECORDS_MAX, 0), -1):
            events = [
                _new(event, by, None) for event in (ThreadForked(parent, seq), *transition.events)
            ]
            try:
                appended = await self._store.fork(parent, seq, self.stream, events, at_us=at_us)
            except Refused:  # Within an append: the line in front of it is the last that is shared.
                continue
            self._version = appended.last
            return
        raise Refused(f"thread {parent} has no place to fork from in front of record {point + 1}")

    async def _append(self, events: list[NewEvent], at_us: int, *, durable: bool) -> None:
        self.count += len(events)
        if self._dry or not events:
            return
        appended = await self._store.append(
            self.stream, events, expected_version=self._version, at_us=at_us, durable=durable
        )
        self._version = appended.last


def _new(event: Event, by: str, turn: str | None) -> NewEvent:
    members = encode_members(by, turn)
    return NewEvent(event.type, encode_event(event), event.v, members, foreign=True)
