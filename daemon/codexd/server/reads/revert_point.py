"""The turns of a revert or an undo, looked up in the log from its end."""

from __future__ import annotations

import msgspec

from codexd.core.events.events import TurnCompleted, TurnFailed, TurnInterrupted
from codexd.core.events.history import HistoryCompacted
from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import ThreadId
from codexd.protocol.wire.rpc import RpcError, state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.turn_search import BACK_RECORDS, turn_begun
from codexd_eventstore.reading import RecordsBack, records_back

_ENDS = frozenset((TurnCompleted.type, TurnInterrupted.type, TurnFailed.type))


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
        raise _unknown(thread.thread_id, turn_id)
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


def _unknown(thread_id: ThreadId, turn_id: str) -> RpcError:
    return state_error(
        f"expected a turn that counts in thread {thread_id}, found none of the id {turn_id}: "
        "it never was there, or was reverted already; nothing was reverted",
        "turn_not_found",
    )
