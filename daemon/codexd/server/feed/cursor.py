"""Where a client stands that comes back with a cursor: the wire fold, as it was at that event.

A cursor is the seq of the last notification that the client got, and how much it has of each text that
was open. Nothing of a connection that was cut is kept, so the fold is made anew from the log: from the
first event of the turn in which the cursor stands, since nothing open crosses a turn's border but inputs
that wait.
"""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core.events.events import InputQueued, TurnStarted
from codexd.core.events.record import decode_record
from codexd.core.values.ids import ItemId
from codexd.projections.clients.notifications import ClientProjection
from codexd.protocol.threads import After
from codexd.runtime.actor.actor import ThreadActor

# Records read at a time on the way back: a turn or a few.
BACK_RECORDS = 64


async def wire_at(thread: ThreadActor, after: After) -> ClientProjection:
    """The wire fold of the turn in which a cursor stands, at the cursor."""
    start = await _turn_start(thread, after.seq)
    wire = ClientProjection(thread.thread_id, None)
    waiting = await _waiting(thread, start, after.seq)
    wire.take_up(replace(thread.state, queue=waiting), ())
    position = max(start - 1, 0)
    while position < after.seq:
        for record in await thread.world.store.read(
            thread.thread_id, after=position, limit=BACK_RECORDS
        ):
            position = record.seq
            if position <= after.seq:
                wire.apply(decode_record(record.line))
    for key, offset in after.items.items():
        wire.texts.told(key, offset)
    return wire


async def _turn_start(thread: ThreadActor, seq: int) -> int:
    """The first event of the turn that an event belongs to; of the thread, where no turn had begun."""
    before = seq + 1
    while before > 1:
        page = await thread.world.store.read_back(
            thread.thread_id, before=before, limit=BACK_RECORDS
        )
        for record in page:
            if record.type == TurnStarted.type:
                return record.seq
            before = record.seq
        if not page:
            break
    return before


async def _waiting(thread: ThreadActor, start: int, seq: int) -> tuple[InputQueued, ...]:
    """The inputs that were queued before `start`, and whose turns begin behind `seq` or have yet to begin."""
    store, stream = thread.world.store, thread.thread_id
    wanted = {queued.item_id for queued in thread.state.queue}
    position, version = max(start - 1, 0), thread.version
    seen: set[ItemId] = set()
    while position < version:
        for record in await store.read(stream, after=position):
            position = record.seq
            if record.type in (TurnStarted.type, InputQueued.type):
                event = decode_record(record.line).event
                if isinstance(event, InputQueued):
                    seen.add(event.item_id)
                elif isinstance(event, TurnStarted) and position > seq:
                    wanted.update(event.inputs)
    wanted -= seen
    found: list[InputQueued] = []
    while wanted and start > 1:
        for record in await store.read_back(stream, before=start):
            start = record.seq
            if record.type == InputQueued.type:
                event = decode_record(record.line).event
                if isinstance(event, InputQueued) and event.item_id in wanted:
                    wanted.discard(event.item_id)
                    found.append(event)
    return tuple(reversed(found))
