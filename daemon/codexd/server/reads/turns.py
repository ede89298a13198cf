"""Turns of a thread's past, whole, read from either end of its log: they cost what is read, not the whole thread.

Law: what was taken back is not there. Ranges of records that do not count are stepped over on the way back;
on the way on they are read through, for an input that waits may stand in one.
"""

from __future__ import annotations

from collections.abc import Sequence

from codexd.core.events.events import InputQueued, TurnStarted
from codexd.core.events.record import Recorded, decode_record
from codexd.core.events.revert import MARKER_TYPES
from codexd.core.state.visibility import Reverts, Visibility
from codexd.machine.pacing import Steps
from codexd.projections.clients.turns import TurnProjection, TurnView
from codexd_eventstore.store import EventStore

# Records read at a time on the way back.
BACK_RECORDS = 256


class TurnReader:
    """The turns of one thread that count. Its functions raise: StoreError, InvalidEvent."""

    def __init__(self, store: EventStore, stream: str, reverts: Reverts) -> None:
        self._store, self._stream = store, stream
        self.visibility = Visibility(reverts)

    async def one(self, turn_id: str) -> list[TurnView]:
        """The turn of that id, if there is one: looked for from the end, where people look."""
        before: int | None = None
        while page := await self._store.read_back(self._stream, before=before, limit=BACK_RECORDS):
            for record in page:
                before = record.seq
                if record.type == TurnStarted.type and self.visibility.counts(record.seq):
                    event = decode_record(record.line).event
                    if isinstance(event, TurnStarted) and event.turn_id == turn_id:
                        return await self.on(record.seq - 1, 1)
        return []

    async def on(self, after: int, count: int) -> list[TurnView]:
        """The first so many turns that begin after an event, oldest first, each of them whole."""
        on: list[Recorded] = []
        begun, waits, missing, last = 0, set[str](), set[str](), after + 1
        steps = Steps()
        position, version = after, (await self._store.head(self._stream)).version
        while position < version and begun <= count:
            page = await self._store.read(self._stream, after=position, limit=BACK_RECORDS)
            for record in page:
                position = record.seq
                if record.type in MARKER_TYPES:
                    continue  # What they say is known.
                counts = self.visibility.counts(position)
                if not counts and record.type != InputQueued.type:
                    continue
                recorded = decode_record(record.line)
                if isinstance(recorded.event, TurnStarted):
                    begun += 1
                    if begun > count:
                        break
                    unseen = [input_ for input_ in recorded.event.inputs if input_ not in waits]
                    missing.update(unseen)
                    last = position if unseen else last
                elif isinstance(recorded.event, InputQueued):
                    waits.add(recorded.event.item_id)
                on.append(recorded)
                await steps.next()
        return await _folded([*await self._inputs(last, missing), *on])

    async def back(self, before: int | None, count: int) -> list[TurnView]:
        """The last so many turns that begin in front of an event, oldest first, each of them whole."""
        back: list[Recorded] = []
        begun, missing, steps = 0, set[str](), Steps()
        at = before
        while begun < count:
            page = await self._store.read_back(self._stream, before=at, limit=BACK_RECORDS)
            if not page:
                break
            for record in page:
                at = record.seq
                span = self.visibility.span(at)
                if span is not None and not missing:
                    at = span.first  # Nothing in it is wanted.
                    break
                if record.type in MARKER_TYPES or (
                    span is not None and record.type != InputQueued.type
                ):
                    continue
                recorded = decode_record(record.line)
                back.append(recorded)
                await steps.next()
                if isinstance(recorded.event, TurnStarted):
                    begun += 1
                    missing.update(recorded.event.inputs)
                    if begun == count:
                        break
                elif isinstance(recorded.event, InputQueued):
                    missing.discard(recorded.event.item_id)
        back.reverse()
        rest = await self._rest_of_turn(before) if before is not None else []
        return await _folded([*await self._inputs(at, missing), *back, *rest])

    async def _rest_of_turn(self, start: int) -> list[Recorded]:
        """The records from `start` on, up to where the next turn begins, whether that counts or not."""
        rest: list[Recorded] = []
        steps = Steps()
        position, version = max(start - 1, 0), (await self._store.head(self._stream)).version
        while position < version:
            page = await self._store.read(self._stream, after=position, limit=BACK_RECORDS)
            for record in page:
                position = record.seq
                if record.type == TurnStarted.type or not self.visibility.counts(position):
                    return rest
                if record.type not in MARKER_TYPES:
                    rest.append(decode_record(record.line))
                    await steps.next()
        return rest

    async def _inputs(self, before: int | None, wanted: set[str]) -> list[Recorded]:
        """Inputs that stand in front of an event: one waits for its turn, maybe through others."""
        found: list[Recorded] = []
        while wanted:
            page = await self._store.read_back(self._stream, before=before, limit=BACK_RECORDS)
            if not page:
                break
            for record in page:
                before = record.seq
                if record.type == InputQueued.type:
                    recorded = decode_record(record.line)
                    queued = recorded.event
                    if isinstance(queued, InputQueued) and queued.item_id in wanted:
                        wanted.discard(queued.item_id)
                        found.append(recorded)
        return found[::-1]


async def _folded(records: Sequence[Recorded]) -> list[TurnView]:
    transcript, steps = TurnProjection(), Steps()
    for record in records:
        transcript.apply(record)
        await steps.next()
    return transcript.turns
