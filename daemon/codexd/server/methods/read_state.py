"""Answers about what people have seen (`thread/readState/update`), and about what only a model is given."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.beside_turns import READ_STATE_CHANGED
from codexd.core.values.injected_items import InvalidItems, read_injected
from codexd.core.values.provider_items import text_message
from codexd.projections.clients.beside_turns import shown_read_state
from codexd.protocol import injecting as i
from codexd.protocol import read_state as r
from codexd.protocol.wire.rpc import INVALID_REQUEST, ErrorData, RpcError, state_error
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import open_thread
from codexd.server.services import Services

# How a model is told of a plan that was approved, and the prompt that clients then send, which is Codex's.
APPROVED_PLAN: Final = "The person approved this plan:"
IMPLEMENT_PLAN: Final = "Implement the plan."
# No thread has so many turns.
_REVISION: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


async def thread_read_state_update(
    services: Services, connection: Connection, params: r.ThreadReadStateUpdateParams
) -> r.ThreadReadStateUpdateResponse:
    """Mark a thread as read or as unread, as far as the client has seen it."""
    thread = await open_thread(services, params.thread_id)
    seen = params.expected_revision
    command = c.MarkRead(
        unread=isinstance(params.operation, r.Unread),
        revision=int(seen) if _REVISION.fullmatch(seen) else None,
    )
    try:
        await thread.submit(command, by=connection.by)
    except Rejected as rejected:
        if rejected.code != READ_STATE_CHANGED:
            raise
        data = ErrorData(
            READ_STATE_CHANGED,
            reason="readStateConflict",
            read_state=msgspec.Raw(msgspec.json.encode(shown_read_state(thread.state.read))),
        )
        raise RpcError(INVALID_REQUEST, rejected.message, data) from rejected
    return r.ThreadReadStateUpdateResponse(shown_read_state(thread.state.read))


async def thread_inject_items(
    services: Services, connection: Connection, params: i.ThreadInjectItemsParams
) -> i.ThreadInjectItemsResponse:
    """Add items to the model's history; a turn that runs has them with its next request."""
    try:
        items = read_injected(params.items)
    except InvalidItems as invalid:
        raise state_error(f"{invalid}; nothing was injected", "invalid_items") from invalid
    thread = await open_thread(services, params.thread_id)
    if items:
        await thread.submit(c.InjectItems(items=items), by=connection.by)
    return i.ThreadInjectItemsResponse()


async def thread_prepare_approved_plan(
    services: Services, connection: Connection, params: i.ThreadPrepareApprovedPlanParams
) -> i.ThreadPrepareApprovedPlanResponse:
    """Add an approved plan to the model's history, and say with which prompt it is carried out, in Codex's words."""
    plan = params.markdown.strip()
    if not plan:
        raise state_error("The approved plan is empty.", "empty_plan")
    item = msgspec.Raw(text_message("user", f"{APPROVED_PLAN}\n\n{plan}"))
    asked = i.ThreadInjectItemsParams(thread_id=params.thread_id, items=(item,))
    await thread_inject_items(services, connection, asked)
    return i.ThreadPrepareApprovedPlanResponse(IMPLEMENT_PLAN)
