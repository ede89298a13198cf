"""Whole turns of a thread's past, read from either end of its log: the cost is the records read, not the whole thread.

Law: reverted turns are left out. A read backwards skips the ranges of reverted records; a read forwards reads
them too, since a queued input may be in such a range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from codexd.core.commands import OpenItem
from codexd.core.events.events import InputQueued, ThreadForked, ThreadTakenIn, TurnStarted
from codexd.core.events.history import MARKER_TYPES
from codexd.core.events.record import Recorded, decode_record
from codexd.core.events.tools import ProcessEnded
from codexd.core.state.visibility import Reverts, Visibility
from codexd.core.values.ids import ItemId
from codexd.machine.pacing import Steps
from codexd.projections.clients.turns import TurnProjection, TurnView
from codexd.runtime.turn_search import BACK_RECORDS, queued_before, turn_begun
from codexd_eventstore.event_log import EventLog
from codexd_eventstore.reading import records, records_back

# A fork, and a thread from elsewhere, have none of the processes before.
_END_PROCESSES: Final = frozenset({ProcessEnded.type, ThreadForked.type, ThreadTakenIn.type})


class TurnReader:
    """The turns of one thread that count. Its functions raise: StoreError, InvalidEvent."""

    def __init__(
        self,
        log: EventLog,
        stream: str,
        reverts: Reverts,
        printing: Callable[[], Sequence[OpenItem]] | None = None,
    ) -> None:
        """`printing`: the outputs of the calls that run now; with it, open calls are items of the turn that runs."""
        self._log, self._stream, self._printing = log, stream, printing
        self.visibility = Visibility(reverts)

    async def find(self, turn_id: str) -> list[TurnView]:
        """The turn of that id, if there is one; searched from the end."""
        async for record in records_back(self._log, self._stream, limit=BACK_RECORDS):
            if turn_begun(record) == turn_id and self.visibility.counts(record.seq):
                return await self.on(record.seq - 1, 1)
        return []

    async def on(self, after: int, count: int) -> list[TurnView]:
        """The first `count` turns that begin after an event, oldest first, each turn whole."""
        on: list[Recorded] = []
        begun, waits, missing, last = 0, set[ItemId](), set[ItemId](), after + 1
        steps = Steps()
        async for record in records(self._log, self._stream, after=after, limit=BACK_RECORDS):
            if record.type in MARKER_TYPES:
                continue  # Their effect is known.
            if not self.visibility.counts(record.seq) and record.type != InputQueued.type:
                continue
            recorded = decode_record(record.line)
            if isinstance(recorded.event, TurnStarted):
                begun += 1
                if begun > count:
                    break
                unseen = [input_ for input_ in recorded.event.inputs if input_ not in waits]
                missing.update(unseen)
                last = record.seq if unseen else last
            elif isinstance(recorded.event, InputQueued):
                waits.add(recorded.event.item_id)
            on.append(recorded)
            await steps.next()
        return await self._folded([*await self._inputs(last, missing), *on])

    async def back(self, before: int | None, count: int) -> list[TurnView]:
        """The last `count` turns that begin before an event, oldest first, each turn whole."""
        back: list[Recorded] = []
        begun, missing, steps = 0, set[ItemId](), Steps()
        at = before
        reader = records_back(self._log, self._stream, before=before, limit=BACK_RECORDS)
        while begun < count and (record := await anext(reader, None)) is not None:
            at = record.seq
            span = self.visibility.span(at)
            if span is not None and not missing:
                at = span.first  # Nothing in it is wanted.
                reader.jump(at)
                continue
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
            elif isinstance(recorded.event, InputQueued):
                missing.discard(recorded.event.item_id)
        back.reverse()
        rest = await self._rest_of_turn(before) if before is not None else []
        return await self._folded([*await self._inputs(at, missing), *back, *rest])

    async def _rest_of_turn(self, start: int) -> list[Recorded]:
        """The records from `start` on, up to where the next turn begins, whether that counts or not."""
        rest: list[Recorded] = []
        steps = Steps()
        after = max(start - 1, 0)
        async for record in records(self._log, self._stream, after=after, limit=BACK_RECORDS):
            if record.type == TurnStarted.type or not self.visibility.counts(record.seq):
                break
            if record.type not in MARKER_TYPES:
                rest.append(decode_record(record.line))
                await steps.next()
        return rest

    async def _inputs(self, before: int | None, wanted: set[ItemId]) -> list[Recorded]:
        """Inputs before an event: an input waits for its turn, maybe through other turns."""
        return await queued_before(self._log, self._stream, before, wanted)

    async def _folded(self, read: Sequence[Recorded]) -> list[TurnView]:
        """The turns in these records; the ends of their processes may come later in the log."""
        transcript, steps = TurnProjection(), Steps()
        for recorded in read:
            # What ends processes is applied below, in the order of the log.
            if not isinstance(recorded.event, ThreadForked | ThreadTakenIn):
                transcript.apply(recorded)
            await steps.next()
        if transcript.waits:
            # Also among records that were left out: a revert takes back turns, and not the end of a process.
            after = transcript.waits_since
            async for record in records(self._log, self._stream, after=after, limit=BACK_RECORDS):
                if record.type in _END_PROCESSES:
                    transcript.end_left(decode_record(record.line))
                    if not transcript.waits:
                        break
                await steps.next()
        if self._printing is not None:
            transcript.show_open(self._printing())
        return transcript.turns
