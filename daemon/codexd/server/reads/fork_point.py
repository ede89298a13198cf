"""Where a thread may be forked: after a turn, or before a turn. The search starts at the end of the log.

A fork has the state at the end of its turn. So a thread can be forked at a reverted turn, and the fork has that
turn.
"""

from __future__ import annotations

from codexd.core.events.events import (
    InputQueued,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)
from codexd.core.events.history import MARKER_TYPES
from codexd.core.values.ids import ThreadId
from codexd.protocol.wire.rpc import RpcError, invalid_params, state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.turn_search import BACK_RECORDS, turn_begun
from codexd_eventstore.event_log import EventLog
from codexd_eventstore.reading import records_back

_ENDS = frozenset((TurnCompleted.type, TurnInterrupted.type, TurnFailed.type))


async def fork_point(parent: ThreadActor, last_turn: str | None, before_turn: str | None) -> int:
    """The event up to which a fork shares its parent. Raises: RpcError."""
    if last_turn is None and before_turn is None:
        return parent.version
    if last_turn is not None and before_turn is not None:
        raise invalid_params("expected lastTurnId or beforeTurnId, found both; nothing was forked")
    log, thread_id = parent.world.store, parent.thread_id
    if before_turn is not None:
        return await _before(log, thread_id, parent.version, before_turn)
    assert last_turn is not None
    return await _after(log, thread_id, parent.version, last_turn)


async def _after(log: EventLog, thread_id: ThreadId, version: int, turn_id: str) -> int:
    """The end of a turn."""
    end: int | None = None  # of the turn that is being passed
    async for record in records_back(log, thread_id, before=version + 1, limit=BACK_RECORDS):
        if record.type in _ENDS:
            end = record.seq
        elif (begun := turn_begun(record)) is not None:
            if begun == turn_id:
                return _ended(turn_id, end)
            end = None
    raise _unknown(thread_id, turn_id)


async def _before(log: EventLog, thread_id: ThreadId, version: int, turn_id: str) -> int:
    """The last event before a turn and of the input that it began with."""
    found = False
    async for record in records_back(log, thread_id, before=version + 1, limit=BACK_RECORDS):
        if found and record.type in _ENDS | MARKER_TYPES:
            return record.seq
        if found and record.type == InputQueued.type:
            return record.seq - 1
        found = found or turn_begun(record) == turn_id
    if found:
        return 0
    raise _unknown(thread_id, turn_id)


def _ended(turn_id: str, end: int | None) -> int:
    if end is None:
        raise state_error(
            f"turn {turn_id} is still in progress: it cannot be forked at", "turn_in_progress"
        )
    return end


def _unknown(thread_id: ThreadId, turn_id: str) -> RpcError:
    return state_error(f"no turn {turn_id} in thread {thread_id}", "turn_not_found")
