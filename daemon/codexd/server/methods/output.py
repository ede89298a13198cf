"""Answers to `item/output/read`: what a command printed, in parts of bounded size, from the file that it is in."""

from __future__ import annotations

from typing import Final

from codexd.core.events.events import OutputKept, ProcessEnded, ToolEnded
from codexd.core.events.record import decode_record
from codexd.core.values.ids import CallId, ThreadId
from codexd.core.values.tool_actions import ToolResult
from codexd.protocol.codexd_methods import ItemOutputReadParams, ItemOutputReadResponse
from codexd.protocol.wire.rpc import invalid_params
from codexd.runtime.actor.streaming_output import StreamingOutput
from codexd.runtime.turn_search import BACK_RECORDS
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import thread_id_of
from codexd.server.services import Services
from codexd_eventstore.reading import records_back
from codexd_eventstore.store import EventStore

# What one answer holds: a client keeps it in memory twice, as text and as bytes.
OUTPUT_PAGE_BYTES_MAX: Final = 512 * 1024

# The end of an output: the record and what it says.
Ended = tuple[int, ToolResult]


async def item_output_read(
    services: Services, connection: Connection, params: ItemOutputReadParams
) -> ItemOutputReadResponse:
    """A part of a command's output (codexd only)."""
    thread_id = thread_id_of(params.thread_id)
    start = max(params.offset, 0)
    stop = start + min(max(params.limit or OUTPUT_PAGE_BYTES_MAX, 1), OUTPUT_PAGE_BYTES_MAX)
    store = services.store_of(thread_id)
    await services.directory.find(thread_id)
    running = _running(services, thread_id, params.item_id)
    if running is not None:
        return await _part_of_running(store, running, start, stop)
    ended = await _end_of(store, thread_id, params.item_id, params.seq)
    if ended is None:
        raise invalid_params(f"itemId: expected a command of the thread, found {params.item_id!r}")
    seq, result = ended
    if result.blob is None:
        data = result.output.encode(errors="replace")[start:stop]
    else:
        data = await store.read_blob(result.blob, start=start, end=stop)
    following = stop if len(data) == stop - start else None
    return ItemOutputReadResponse(data, following, result.output_bytes, seq=seq)


def _running(services: Services, thread_id: ThreadId, item_id: str) -> StreamingOutput | None:
    """The output of a command that runs, or whose end is about to be recorded."""
    thread = services.supervisor.loaded(thread_id)
    if thread is None:
        return None
    streaming, call_id = thread.streaming, CallId(item_id)
    return streaming.outputs.get(call_id) or streaming.aborted.get(call_id)


async def _part_of_running(
    store: EventStore, output: StreamingOutput, start: int, stop: int
) -> ItemOutputReadResponse:
    if output.blob is None:
        data = output.read(start, stop)
    else:
        data = await store.read_blob(output.blob.sha256, start=start, end=stop)
    following = stop if len(data) == stop - start else None
    return ItemOutputReadResponse(data, following, output.printed_bytes, running=True)


async def _end_of(
    store: EventStore, thread_id: ThreadId, item_id: str, seq: int | None
) -> Ended | None:
    """The end of a call, or of the process that it left running; None: there is no such call."""
    if seq is not None and seq > 0:
        for record in await store.read(thread_id, after=seq - 1, limit=1):
            event = decode_record(record.line).event
            if isinstance(event, ToolEnded) and event.call_id == item_id and not event.process:
                return seq, event.result
            if isinstance(event, OutputKept) and event.call_id == item_id:
                return seq, _of_kept(event)
            if isinstance(event, ProcessEnded):  # An answer about this item had its number.
                return seq, event.result
    async for record in records_back(store, thread_id, limit=BACK_RECORDS):
        if record.type not in (ToolEnded.type, ProcessEnded.type, OutputKept.type):
            continue
        event = decode_record(record.line).event
        if isinstance(event, ToolEnded) and event.call_id == item_id:
            return record.seq, event.result
        if isinstance(event, OutputKept) and event.call_id == item_id:
            return record.seq, _of_kept(event)
        of = event.of if isinstance(event, ProcessEnded) else None
        if isinstance(event, ProcessEnded) and of is not None and of.call_id == item_id:
            return record.seq, event.result
    return None


def _of_kept(event: OutputKept) -> ToolResult:
    return ToolResult("aborted", "", output_bytes=event.output_bytes, blob=event.blob)
