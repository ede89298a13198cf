"""What is to be taken back or brought back, looked up in the log: from its end, where people look."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from codexd.core.events.events import TurnCompleted, TurnFailed, TurnInterrupted, TurnStarted
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.record import decode_record
from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import ThreadId
from codexd.protocol.wire.rpc import RpcError, state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd_eventstore.store import Record

# Records read at a time on the way back: some turns.
BACK_RECORDS = 256

_ENDS = frozenset((TurnCompleted.type, TurnInterrupted.type, TurnFailed.type))


class RevertPoint(msgspec.Struct, frozen=True):
    """Where a thread goes back to."""

    to_seq: int  # the end of the last turn that is left; 0: none is
    turns: int  # so many are taken back
    turns_left: int


async def revert_point(thread: ThreadActor, turn_id: str) -> RevertPoint:
    """The end of the turn in front of one, among those that count. Raises: RpcError, StoreError."""
    turns, passed, found = thread.summary.turns, 0, False
    async with aclosing(_back(thread)) as back:
        async for record in back:
            if found and record.type in _ENDS:
                return RevertPoint(record.seq, passed, turns - passed)
            if record.type == TurnStarted.type:
                passed += 1
                found = found or _is(record.line, turn_id)
    if not found:
        raise _unknown(thread.thread_id, turn_id)
    return RevertPoint(0, passed, turns - passed)


async def newest_compaction(thread: ThreadActor) -> tuple[int, bool]:
    """The record of the last compaction that counts, and whether there is one in front of it.

    Raises: RpcError, StoreError.
    """
    cancelled, newest = thread.summary.reverts.cancelled, 0
    async with aclosing(_back(thread)) as back:
        async for record in back:
            if record.type == HistoryCompacted.type and record.seq not in cancelled:
                if newest:
                    return newest, True
                newest = record.seq
    if not newest:
        raise state_error(
            f"no compaction of thread {thread.thread_id} counts: there is nothing to undo",
            "not_compacted",
        )
    return newest, False


async def _back(thread: ThreadActor) -> AsyncGenerator[Record, None]:
    """The records that count, newest first: what was taken back is passed over unread."""
    visibility, before = Visibility(thread.summary.reverts), thread.version + 1
    while page := await thread.world.store.read_back(
        thread.thread_id, before=before, limit=BACK_RECORDS
    ):
        for record in page:
            before = record.seq
            span = visibility.span(before)
            if span is not None:
                before = span.first
                break
            yield record


def _is(line: bytes, turn_id: str) -> bool:
    event = decode_record(line).event
    return isinstance(event, TurnStarted) and event.turn_id == turn_id


def _unknown(thread_id: ThreadId, turn_id: str) -> RpcError:
    return state_error(
        f"expected a turn that counts in thread {thread_id}, found none of the id {turn_id}: "
        "it never was there, or was taken back already; nothing was taken back",
        "turn_not_found",
    )
