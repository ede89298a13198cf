"""Places in a thread's past, looked up from the end of its log: for forks, reverts and the undo of a compaction.

A fork has the state at the end of its turn. So a thread can be forked at a reverted turn, and the fork has that
turn. A revert and an undo look only at what still counts.
"""

from __future__ import annotations

import msgspec

from codexd.core.events.events import InputQueued, TurnCompleted, TurnFailed, TurnInterrupted
from codexd.core.events.history import MARKER_TYPES, HistoryCompacted
from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import ThreadId
from codexd.protocol.wire.rpc import RpcError, invalid_params, state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.turn_search import BACK_RECORDS, turn_begun
from codexd_eventstore.reading import RecordsBack, records_back

_ENDS = frozenset((TurnCompleted.type, TurnInterrupted.type, TurnFailed.type))


async def fork_point(parent: ThreadActor, last_turn: str | None, before_turn: str | None) -> int:
    """The event up to which a fork shares its parent. Raises: RpcError."""
    if last_turn is None and before_turn is None:
        return parent.version
    if last_turn is not None and before_turn is not None:
        raise invalid_params("expected lastTurnId or beforeTurnId, found both; nothing was forked")
    if before_turn is not None:
        return await _before(parent, before_turn)
    assert last_turn is not None
    return await _after(parent, last_turn)


async def _after(thread: ThreadActor, turn_id: str) -> int:
    end: int | None = None  # of the turn that is being passed
    async for record in _back(thread):
        if record.type in _ENDS:
            end = record.seq
        elif (begun := turn_begun(record)) is not None:
            if begun == turn_id:
                return _ended(turn_id, end)
            end = None
    raise _not_there(thread.thread_id, turn_id)


async def _before(thread: ThreadActor, turn_id: str) -> int:
    """The last event before a turn and of the input that it began with."""
    found = False
    async for record in _back(thread):
        if found and record.type in _ENDS | MARKER_TYPES:
            return record.seq
        if found and record.type == InputQueued.type:
            return record.seq - 1
        found = found or turn_begun(record) == turn_id
    if found:
        return 0
    raise _not_there(thread.thread_id, turn_id)


def _ended(turn_id: str, end: int | None) -> int:
    if end is None:
        raise state_error(
            f"turn {turn_id} is still in progress: it cannot be forked at", "turn_in_progress"
        )
    return end


def _not_there(thread_id: ThreadId, turn_id: str) -> RpcError:
    return state_error(f"no turn {turn_id} in thread {thread_id}", "turn_not_found")


class RevertPoint(msgspec.Struct, frozen=True):
    """Where a thread goes back to."""

    to_seq: int  # the end of the last turn that is left; 0: none is
    turns: int  # how many turns are reverted
    turns_left: int


async def revert_point(thread: ThreadActor, turn_id: str) -> RevertPoint:
    """The end of the turn before another, among those that count. Raises: RpcError, StoreError."""
    turns, passed, found = thread.summary.turns, 0, False
    visibility, back = Visibility(thread.summary.reverts), _back(thread)
    async for record in back:
        if (span := visibility.span(record.seq)) is not None:
            back.jump(span.first)  # Reverted turns are skipped unread.
        elif found and record.type in _ENDS:
            return RevertPoint(record.seq, passed, turns - passed)
        elif (begun := turn_begun(record)) is not None:
            passed += 1
            found = found or begun == turn_id
    if not found:
        raise _not_counting(thread.thread_id, turn_id)
    return RevertPoint(0, passed, turns - passed)


async def newest_compaction(thread: ThreadActor) -> tuple[int, bool]:
    """The record of the last compaction that counts, and whether there is one before it.

    Raises: RpcError, StoreError.
    """
    reverts, newest = thread.summary.reverts, 0
    visibility, back = Visibility(reverts), _back(thread)
    async for record in back:
        if (span := visibility.span(record.seq)) is not None:
            back.jump(span.first)
        elif record.type == HistoryCompacted.type and record.seq not in reverts.cancelled:
            if newest:
                return newest, True
            newest = record.seq
    if not newest:
        raise state_error(
            f"no compaction of thread {thread.thread_id} counts: there is nothing to undo",
            "not_compacted",
        )
    return newest, False


def _back(thread: ThreadActor) -> RecordsBack:
    store, before = thread.world.store, thread.version + 1
    return records_back(store, thread.thread_id, before=before, limit=BACK_RECORDS)


def _not_counting(thread_id: ThreadId, turn_id: str) -> RpcError:
    return state_error(
        f"expected a turn that counts in thread {thread_id}, found none of the id {turn_id}: "
        "it never was there, or was reverted already; nothing was reverted",
        "turn_not_found",
    )
