"""The state of a client that resumes with a cursor: the client projection at that event.

A cursor is the seq of the last notification that the client got, and how much it has of each text that
was open. Nothing of a closed connection is kept, so the projection is folded again from the log: from the
first event of the cursor's turn, since only queued inputs stay open across turns.
"""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core.events.events import InputQueued, TurnStarted
from codexd.core.events.record import decode_record
from codexd.core.state.read_state import ReadState
from codexd.core.values.ids import ItemId
from codexd.projections.clients.notifications import ClientProjection
from codexd.protocol.threads import After
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.turn_search import last_turn_before, queued_before
from codexd_eventstore.reading import records


async def wire_at(thread: ThreadActor, after: After) -> ClientProjection:
    """The client projection of the cursor's turn, at the cursor."""
    store, thread_id = thread.world.store, thread.thread_id
    start = await last_turn_before(store, thread_id, after.seq + 1) or 1
    wire = ClientProjection(thread_id, None)
    waiting = await _waiting(thread, start, after.seq)
    # What was unread at the cursor is not known, and what is unread now is told with the next change.
    wire.start_at(replace(thread.state, queue=waiting, read=ReadState()), ())
    async for record in records(store, thread_id, after=start - 1, upto=after.seq):
        wire.apply(decode_record(record.line))
    for key, offset in after.items.items():
        wire.texts.set_sent(key, offset)
    return wire


async def _waiting(thread: ThreadActor, start: int, seq: int) -> tuple[InputQueued, ...]:
    """The inputs that were queued before `start`, with turns that begin after `seq` or have yet to begin."""
    store, stream = thread.world.store, thread.thread_id
    wanted = {queued.item_id for queued in thread.state.queue}
    seen: set[ItemId] = set()
    async for record in records(store, stream, after=start - 1, upto=thread.version):
        if record.type in (TurnStarted.type, InputQueued.type):
            event = decode_record(record.line).event
            if isinstance(event, InputQueued):
                seen.add(event.item_id)
            elif isinstance(event, TurnStarted) and record.seq > seq:
                wanted.update(event.inputs)
    found = await queued_before(store, stream, start, wanted - seen)
    return tuple(earlier.event for earlier in found if isinstance(earlier.event, InputQueued))
