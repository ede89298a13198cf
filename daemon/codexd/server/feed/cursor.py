"""The state of a client that resumes with a cursor: the client projection at that event.

A cursor is the seq of the last notification that the client got, and how much it has of each text that
was open. Nothing of a closed connection is kept, so the projection is folded again from the log: from the
first event of the cursor's turn, since only queued inputs stay open across turns.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from codexd.core.events.events import Event, InputQueued, TurnStarted, Unknown
from codexd.core.events.record import decode_record
from codexd.core.state.read_state import READ_STATE_CHANGES
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId
from codexd.projections.clients.notifications import ClientProjection
from codexd.protocol.threads import After
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.turn_search import last_turn_before, queued_before
from codexd_eventstore.reading import records

# The events by which an earlier state is told from a later one.
_TOLD_APART: Final = {kind.type for kind in (TurnStarted, InputQueued, *READ_STATE_CHANGES)}


async def wire_at(thread: ThreadActor, after: After) -> ClientProjection:
    """The client projection of the cursor's turn, at the cursor."""
    store, thread_id = thread.world.store, thread.thread_id
    start = await last_turn_before(store, thread_id, after.seq + 1) or 1
    wire = ClientProjection(thread_id, None)
    wire.start_at(await _state_before(thread, start, after.seq), ())
    async for record in records(store, thread_id, after=start - 1, upto=after.seq):
        wire.apply(decode_record(record.line))
    for key, offset in after.items.items():
        wire.texts.set_sent(key, offset)
    return wire


async def _state_before(thread: ThreadActor, start: int, seq: int) -> ThreadState:
    """The thread's state, with what was unread before `start`, and with the inputs that were queued before it, of turns
    that begin after `seq` or have yet to begin.
    """
    store, stream = thread.world.store, thread.thread_id
    state, version = thread.state, thread.version
    wanted = {queued.item_id for queued in state.queue}
    seen: set[ItemId] = set()
    since: list[Event | Unknown] = []
    async for record in records(store, stream, after=start - 1, upto=version):
        if record.type not in _TOLD_APART:
            continue
        event = decode_record(record.line).event
        if isinstance(event, InputQueued):
            seen.add(event.item_id)
            continue
        since.append(event)
        if isinstance(event, TurnStarted) and record.seq > seq:
            wanted.update(event.inputs)
    found = await queued_before(store, stream, start, wanted - seen)
    waiting = tuple(earlier.event for earlier in found if isinstance(earlier.event, InputQueued))
    return replace(state, queue=waiting, read=state.read.before(since))
