"""Answers to `thread/revert` and to the undos of reverts and compactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.history import LOOK_AGAIN, TakingBack
from codexd.core.values.ids import TurnId
from codexd.protocol import history
from codexd.protocol.codexd_methods import ThreadCompactUndoResponse
from codexd.protocol.wire.rpc import state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd.server.connection.connection import Connection
from codexd.server.feed.thread_view import heading
from codexd.server.methods.lookup import open_thread
from codexd.server.reads.pages import TurnCursor
from codexd.server.reads.places import newest_compaction, revert_point
from codexd.server.services import Services

Back = TypeVar("Back", bound=TakingBack)
Reverted = TypeVar("Reverted", bound=history.ThreadRevertResponse)

# How often the revert is looked up again where another client reverts the thread at the same time.
LOOKS_MAX = 3


async def thread_revert(
    services: Services, connection: Connection, params: history.ThreadRevertParams
) -> history.ThreadRevertResponse:
    """Revert a turn and all turns after it."""
    thread = await open_thread(services, params.thread_id)

    async def look() -> c.RevertHistory:
        markers = thread.state.markers
        point = await revert_point(thread, params.before_turn_id)
        return c.RevertHistory(
            before_turn=TurnId(params.before_turn_id),
            to_seq=point.to_seq,
            turns=point.turns,
            turns_left=point.turns_left,
            markers=markers,
        )

    done = await _carried_out(thread, look, connection)
    return _reverted(history.ThreadRevertResponse, thread, done.turns)


async def thread_revert_undo(
    services: Services, connection: Connection, params: history.ThreadRevertUndoParams
) -> history.ThreadRevertUndoResponse:
    """Undo the last revert (codexd only)."""
    thread = await open_thread(services, params.thread_id)

    async def look() -> c.UndoRevert:
        last = thread.summary.reverts.last
        if last is None:
            raise state_error(
                f"no revert of thread {thread.thread_id} is in force: there is nothing to restore",
                "nothing_taken_back",
            )
        turns = thread.summary.taken[-1].turns
        return c.UndoRevert(reverted_seq=last.seq, turns=turns, markers=thread.state.markers)

    done = await _carried_out(thread, look, connection)
    return _reverted(history.ThreadRevertUndoResponse, thread, done.turns)


async def thread_compact_undo(
    services: Services, connection: Connection, params: history.ThreadCompactUndoParams
) -> ThreadCompactUndoResponse:
    """Undo the last compaction that counts (codexd only)."""
    thread = await open_thread(services, params.thread_id)
    left = False

    async def look() -> c.UndoCompaction:
        nonlocal left
        markers = thread.state.markers
        seq, left = await newest_compaction(thread)
        return c.UndoCompaction(compacted_seq=seq, markers=markers)

    await _carried_out(thread, look, connection)
    settings, tokens = thread.state.settings, thread.state.window.context_tokens
    assert settings is not None
    limit = thread.world.lookups.limits(settings).compact_at
    fits = limit is None or tokens < limit
    return ThreadCompactUndoResponse(tokens, limit, fits, left)


async def _carried_out(
    thread: ThreadActor, look: Callable[[], Awaitable[Back]], connection: Connection
) -> Back:
    """Do the revert that was looked up; where the thread was reverted meanwhile, look it up again."""
    for n in range(1, LOOKS_MAX + 1):
        command = await look()
        try:
            await thread.submit(command, by=connection.by)
        except Rejected as rejected:
            if rejected.code != LOOK_AGAIN or n == LOOKS_MAX:
                raise
        else:
            return command
    raise AssertionError("it was neither done nor refused")


def _reverted(kind: type[Reverted], thread: ThreadActor, turns: int) -> Reverted:
    shown = heading(thread.thread_id, thread.summary, thread.state, thread.path)
    back = TurnCursor(thread.version + 1).cursor()
    return kind(shown, back, back, turns)
