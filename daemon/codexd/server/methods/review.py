"""Answers to `review/*`: a reviewer looks at the work of a thread."""

from __future__ import annotations

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TextInput, UserMessage
from codexd.core.values.review_target import hint_of, trimmed
from codexd.protocol import turns as r
from codexd.protocol.turns import Turn
from codexd.server.connection.connection import Connection, MethodResult
from codexd.server.methods.lookup import open_thread, refused
from codexd.server.services import Services


async def review_start(
    services: Services, connection: Connection, params: r.ReviewStartParams
) -> MethodResult:
    """Begin a review, in a turn of its own; a turn that runs makes way for it."""
    thread = await open_thread(services, params.thread_id, "thread not found")
    turn_id = TurnId(services.new_id())
    command = c.StartReview(
        turn_id=turn_id,
        target=params.target,
        child_id=ThreadId(services.new_id()),
        child_turn_id=TurnId(services.new_id()),
        today=services.today(),
    )
    try:
        await thread.submit(command, by=connection.by)
    except Rejected as rejected:
        raise refused(rejected) from rejected
    said = UserMessage(id=ItemId(turn_id), content=(TextInput(hint_of(trimmed(params.target))),))
    turn = Turn(id=turn_id, root_turn_id=turn_id, status="inProgress", items=(said,))
    return MethodResult(r.ReviewStartResponse(turn, thread.thread_id))
