"""Maintenance of the store: deleting a thread, checking logs and blobs, making damaged logs readable.

Law: all checks and removals read in threads, a log or a page of blobs at a time; the daemon serves on.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from contextlib import suppress
from operator import attrgetter
from typing import Final

from codexd.core.events.events import InvalidEvent, ThreadForked
from codexd.core.events.history import ReviewEntered
from codexd.core.events.record import decode_record
from codexd.core.values.ids import ThreadId
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol import codexd_methods as c
from codexd.protocol.methods import NoParams
from codexd.protocol.notifications import ThreadDeletedNotification
from codexd.protocol.threads import ThreadDeleteParams, ThreadDeleteResponse
from codexd.protocol.wire.rpc import state_error
from codexd.runtime.daemon_stream import DAEMON_STREAM
from codexd.runtime.ephemeral_fork import forget
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import thread_id_of
from codexd.server.services import Services
from codexd_eventstore.reading import records
from codexd_eventstore.store import Damaged, NotFound, Refused, StoreFailed

# A row is a hundred bytes; what one message carries stays far below its bound.
STREAMS_PAGE: Final = 1000
# A page of blobs is read before it is answered: small enough to show progress.
BLOBS_PAGE_BYTES: Final = 64 * 1024 * 1024
# And at most this many, where they are small.
BLOBS_PAGE: Final = 200


async def thread_delete(
    services: Services, connection: Connection, params: ThreadDeleteParams
) -> ThreadDeleteResponse:
    """Remove a thread permanently; its turn is stopped first."""
    thread_id = thread_id_of(params.thread_id)
    if services.supervisor.is_ephemeral(thread_id):
        await services.supervisor.unload(thread_id)
        await forget(services.memory, thread_id)
    else:
        await _delete(services, thread_id, params.detach_children)
    await _end_processes(services, thread_id)
    gone = ThreadDeletedNotification(thread_id=thread_id)
    services.hub.announce(Outgoing("thread/deleted", gone))
    services.hub.remove_followers(thread_id)
    return ThreadDeleteResponse()


async def _end_processes(services: Services, thread_id: ThreadId) -> None:
    """End what still runs for a thread that is gone."""
    for owned in await services.one_off.processes.owned():
        if owned.owner == thread_id:
            running = await services.one_off.processes.find(owned.process_id)
            if running is not None:
                running.abandon()


async def _delete(services: Services, thread_id: ThreadId, detach_children: bool) -> None:
    children = await services.store.children(thread_id)
    if children and not detach_children:
        raise state_error(
            f"thread {thread_id} was not deleted: {len(children)} threads were forked from it and share "
            f"what it has ({', '.join(children[:3])}{', …' if len(children) > 3 else ''}). With "
            "`codexctl delete --detach-children` they get copies of that first",
            "thread_has_forks",
        )
    await services.supervisor.unload(thread_id)
    for reviewer in await _reviewers(services, thread_id):
        await services.supervisor.unload(reviewer)
        # A reviewer's thread that was forked is part of that fork.
        with suppress(NotFound, Refused):
            services.sweeper.sweep_soon(await services.store.delete(reviewer))
    named = await services.store.delete(thread_id, detach_children=detach_children)
    # Another request may have loaded it in between: then its actor has no log.
    await services.supervisor.unload(thread_id)
    services.supervisor.stopped.pop(thread_id, None)
    services.sweeper.sweep_soon(named)


async def _reviewers(services: Services, thread_id: ThreadId) -> list[ThreadId]:
    """The threads of its reviewers: only its own log names them."""
    found: list[ThreadId] = []
    # It is deleted anyway; so are those that it named up to now.
    with suppress(Damaged, InvalidEvent):
        async for record in records(services.store, thread_id):
            if record.type == ThreadForked.type:
                found.clear()  # They are its parent's.
            elif record.type == ReviewEntered.type:
                event = decode_record(record.line).event
                if isinstance(event, ReviewEntered) and event.child_id is not None:
                    found.append(event.child_id)
    return found


async def thread_verify(
    services: Services, connection: Connection, params: c.ThreadVerifyParams
) -> c.ThreadVerifyResponse:
    """Check a thread's whole log, and salvage it if that is asked for and needed."""
    thread_id = _stream_of(params.thread_id)
    verdict = await services.store.verify(thread_id)
    found, salvaged = verdict.damage, None
    if found is not None and params.salvage:
        salvaged = await _salvage(services, thread_id)
        verdict = await services.store.verify(thread_id)
    return c.ThreadVerifyResponse(
        thread_id,
        verdict.archived,
        verdict.records,
        verdict.damage,
        found if salvaged is not None else None,
        salvaged,
        verdict.unfinished,
    )


def _stream_of(text: str) -> ThreadId:
    """A thread, or the log of the daemon's own facts, which `store/streams` names too. Raises: RpcError."""
    return ThreadId(text) if text == DAEMON_STREAM else thread_id_of(text)


async def _salvage(services: Services, thread_id: ThreadId) -> c.Salvaged | None:
    # A loaded thread would continue from a state that the file does not have.
    await services.supervisor.unload(thread_id)
    done = await services.store.salvage(thread_id, at_us=services.now_us())
    services.supervisor.stopped.pop(thread_id, None)
    return None if done.kept is None else c.Salvaged(done.records, done.lost, done.kept)


async def store_streams(
    services: Services, connection: Connection, params: c.StoreStreamsParams
) -> c.StoreStreamsResponse:
    """All logs, damaged logs too, as they were when the client asked for its first page."""
    logs = connection.logs_paged
    if params.after is None or not logs:
        found = [await services.store.streams(archived=archived) for archived in (False, True)]
        logs = sorted(itertools.chain(*found), key=attrgetter("stream"))
    start = bisect_right(logs, params.after or "", key=attrgetter("stream"))
    end = start + min(max(params.limit or STREAMS_PAGE, 1), STREAMS_PAGE)
    page = tuple(c.StoredLog(row.stream, row.archived, row.size_bytes) for row in logs[start:end])
    connection.logs_paged = logs if end < len(logs) else ()
    following = page[-1].thread_id if connection.logs_paged else None
    return c.StoreStreamsResponse(page, following)


async def store_blobs_verify(
    services: Services, connection: Connection, params: c.StoreBlobsVerifyParams
) -> c.StoreBlobsVerifyResponse:
    """Check some blobs."""
    blobs = sorted(await services.store.blobs(), key=lambda blob: blob.sha256)
    left = [blob for blob in blobs if params.after is None or blob.sha256 > params.after]
    damaged: list[c.DamagedBlob] = []
    unreadable: list[c.DamagedBlob] = []
    size = checked = 0
    for blob in left:
        if checked and (checked >= BLOBS_PAGE or size + blob.size_bytes > BLOBS_PAGE_BYTES):
            break
        checked, size = checked + 1, size + blob.size_bytes
        try:
            damage = await services.store.verify_blob(blob.sha256)
        except NotFound:
            continue  # it was swept meanwhile
        except StoreFailed as error:
            unreadable.append(c.DamagedBlob(blob.sha256, str(error)))
            continue
        if damage is not None:
            damaged.append(c.DamagedBlob(blob.sha256, damage))
    after = left[checked - 1].sha256 if checked < len(left) else None
    return c.StoreBlobsVerifyResponse(checked, len(blobs), tuple(damaged), after, tuple(unreadable))


async def store_blobs_sweep(
    services: Services, connection: Connection, params: NoParams
) -> c.StoreBlobsSweepResponse:
    """Remove the blobs that nothing names."""
    swept = await services.store.sweep_blobs()
    return c.StoreBlobsSweepResponse(swept.looked_at, swept.removed, swept.removed_bytes)
