"""Answers to `thread/queue/*`: the prompts that wait for their turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.events.events import InputQueued
from codexd.core.values.ids import ItemId, TurnId
from codexd.protocol import queue as q
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import open_thread
from codexd.server.methods.turns import accepted
from codexd.server.reads.pages import page_limit
from codexd.server.services import Services

# A client's own notes on a prompt: some names and ids.
METADATA_BYTES_MAX: Final = 16 * 1024


async def thread_queue_add(
    services: Services, connection: Connection, params: q.ThreadQueueAddParams
) -> q.ThreadQueueAddResponse:
    """Queue a prompt, as `turn/start` does; where no turn runs its turn begins at once."""
    thread = await open_thread(services, params.thread_id)
    metadata = _checked(params.responsesapi_client_metadata)
    content = await accepted(thread, params.input)
    item_id = ItemId(services.new_id())
    command = c.StartTurn(
        turn_id=TurnId(services.new_id()),
        item_id=item_id,
        content=content,
        client_id=params.client_user_message_id,
        today=services.today(),
        client_metadata=metadata,
    )
    await thread.submit(command, by=connection.by)
    queued = q.QueuedSubmission(item_id, content, params.client_user_message_id, metadata)
    return q.ThreadQueueAddResponse(queued)


async def thread_queue_list(
    services: Services, connection: Connection, params: q.ThreadQueueListParams
) -> q.ThreadQueueListResponse:
    """A page of the queue; a cursor is the id of the last prompt of the page before."""
    thread = await open_thread(services, params.thread_id)
    queue, start = thread.state.queue, 0
    if params.cursor is not None:
        places = {queued.item_id: place for place, queued in enumerate(queue, 1)}
        # A prompt that is gone was before all that still wait, unless somebody has put them into another order.
        start = places.get(ItemId(params.cursor), 0)
    page = queue[start : start + page_limit(params.limit)]
    more = start + len(page) < len(queue)
    shown = tuple(_shown(queued) for queued in page)
    return q.ThreadQueueListResponse(shown, page[-1].item_id if more and page else None)


async def thread_queue_update(
    services: Services, connection: Connection, params: q.ThreadQueueUpdateParams
) -> q.ThreadQueueUpdateResponse:
    """Other words for a prompt that waits."""
    thread = await open_thread(services, params.thread_id)
    metadata = _checked(params.responsesapi_client_metadata)
    content = await accepted(thread, params.input)
    item_id = ItemId(params.queued_submission_id)
    before = next((queued for queued in thread.state.queue if queued.item_id == item_id), None)
    if before is None:
        raise state_error(f"queued submission not found: {item_id}", "input_not_queued")
    command = c.ReviseInput(item_id=item_id, content=content, client_metadata=metadata)
    await thread.submit(command, by=connection.by)
    kept = metadata or before.client_metadata
    return q.ThreadQueueUpdateResponse(
        _shown(replace(before, content=content, client_metadata=kept))
    )


async def thread_queue_delete(
    services: Services, connection: Connection, params: q.ThreadQueueDeleteParams
) -> q.ThreadQueueDeleteResponse:
    """Withdraw a prompt; one that does not wait any more is no error."""
    thread = await open_thread(services, params.thread_id)
    command = c.WithdrawInput(item_id=ItemId(params.queued_submission_id))
    try:
        await thread.submit(command, by=connection.by)
    except Rejected as rejected:
        if rejected.code != "input_not_queued":
            raise
        return q.ThreadQueueDeleteResponse(deleted=False)
    return q.ThreadQueueDeleteResponse(deleted=True)


async def thread_queue_reorder(
    services: Services, connection: Connection, params: q.ThreadQueueReorderParams
) -> q.ThreadQueueReorderResponse:
    """Another order of all prompts that wait."""
    thread = await open_thread(services, params.thread_id)
    order = tuple(ItemId(item_id) for item_id in params.queued_submission_ids)
    await thread.submit(c.ReorderInputs(item_ids=order), by=connection.by)
    return q.ThreadQueueReorderResponse()


async def thread_queue_start(
    services: Services, connection: Connection, params: q.ThreadQueueStartParams
) -> q.ThreadQueueStartResponse:
    """Refuse: a prompt waits only while a turn runs, and starts by itself when that ends."""
    thread = await open_thread(services, params.thread_id)
    if thread.state.turn is not None:
        raise state_error("thread already has an active or pending turn", "turn_in_progress")
    named = params.queued_submission_id
    if named is not None:
        raise state_error(f"queued submission not found: {named}", "input_not_queued")
    raise state_error("thread has no queued submission", "queue_empty")


def _checked(metadata: Mapping[str, str] | None) -> Mapping[str, str] | None:
    size = sum(len(name) + len(value) for name, value in (metadata or {}).items())
    if size > METADATA_BYTES_MAX:
        raise invalid_params(
            f"responsesapiClientMetadata: expected at most {METADATA_BYTES_MAX} characters, found {size}; "
            "nothing was queued"
        )
    return metadata or None


def _shown(queued: InputQueued) -> q.QueuedSubmission:
    return q.QueuedSubmission(
        queued.item_id, queued.content, queued.client_id or "", queued.client_metadata
    )
