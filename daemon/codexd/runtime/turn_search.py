"""Looking for turns and their inputs in a thread's log, from its end, where people look. I/O."""

from __future__ import annotations

from codexd.core.events.events import InputQueued, TurnStarted
from codexd.core.events.record import Recorded, decode_record
from codexd.core.values.ids import ItemId
from codexd_eventstore.event_log import EventLog, Record
from codexd_eventstore.reading import records_back

# Records read at a time: some turns.
BACK_RECORDS = 256
# The same where only the last turn is wanted: a turn or a few.
LAST_TURN_RECORDS = 64


def turn_begun(record: Record) -> str | None:
    """The id of the turn that a record begins; None where it begins none."""
    if record.type != TurnStarted.type:
        return None
    event = decode_record(record.line).event
    return event.turn_id if isinstance(event, TurnStarted) else ""


async def last_turn_before(log: EventLog, stream: str, before: int) -> int | None:
    """The `seq` of the last `turn.started` before a record. Raises: StoreError."""
    async for record in records_back(log, stream, before=before, limit=LAST_TURN_RECORDS):
        if record.type == TurnStarted.type:
            return record.seq
    return None


async def queued_before(
    log: EventLog, stream: str, before: int | None, wanted: set[ItemId]
) -> list[Recorded]:
    """Where these inputs were queued, before a record, oldest first; those that are found leave `wanted`.

    Raises: StoreError, InvalidEvent.
    """
    found: list[Recorded] = []
    back = records_back(log, stream, before=before, limit=BACK_RECORDS)
    while wanted and (record := await anext(back, None)) is not None:
        if record.type == InputQueued.type:
            recorded = decode_record(record.line)
            if isinstance(recorded.event, InputQueued) and recorded.event.item_id in wanted:
                wanted.discard(recorded.event.item_id)
                found.append(recorded)
    return found[::-1]
