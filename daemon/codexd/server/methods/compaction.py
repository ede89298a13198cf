"""Answers to `thread/compact/*` and `thread/pin/*`: what the model is given of a thread, and what stays in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from codexd.core import commands as c
from codexd.core.events.events import InputQueued, TurnQueued, TurnStarted
from codexd.core.events.record import Recorded, decode_record
from codexd.core.events.tools import ToolEnded
from codexd.core.state.visibility import Visibility
from codexd.core.state.waiting import waiting_compaction
from codexd.core.state.window import json_bytes
from codexd.core.values.ids import TurnId
from codexd.core.values.provider_items import (
    CallItem,
    ItemHead,
    MessageItem,
    OutputItem,
    ReasoningItem,
    parts_of,
    read_head,
    read_item,
    text_message,
)
from codexd.core.values.truncate import tokens_of
from codexd.machine.pacing import Steps
from codexd.projections.model.kept_by_compaction import kept_items_of
from codexd.projections.model.pins import call_of, pinned_items
from codexd.protocol import codexd_methods, history
from codexd.protocol.history import ThreadCompactStartParams, ThreadCompactStartResponse
from codexd.protocol.wire.rpc import RpcError, invalid_params
from codexd.runtime.actor.actor import ThreadActor
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.methods.lookup import open_thread, thread_id_of
from codexd.server.methods.refusals import REFUSALS, warn_or_raise
from codexd.server.services import Services
from codexd_eventstore.reading import record_at, records, records_back

# Enough of a text to recognise it, on one line of a terminal.
PREVIEW_CHARACTERS = 100
# A call and its output are in one turn; a turn with more records than this is not searched for calls.
HALVES_RECORDS_MAX = 10_000
_PAGE_RECORDS = 500


async def thread_compact_start(
    services: Services, connection: Connection, params: ThreadCompactStartParams
) -> MethodResult:
    """Compact the history in a turn of its own, after the turns before it; several requests are one.

    The answer comes before all that it leads to: Codex's terminal waits for the end of a turn from its answer on, and
    without a history the turn ends at once.
    """
    follower = connection.following.get(thread_id_of(params.thread_id))
    release = None if follower is None else follower.hold()
    try:
        return MethodResult(await _compact(services, connection, params), then=release)
    except BaseException:
        if release is not None:
            release()
        raise


async def _compact(
    services: Services, connection: Connection, params: ThreadCompactStartParams
) -> ThreadCompactStartResponse:
    key = params.idempotency_key
    try:
        thread = await open_thread(services, params.thread_id)
        command = c.CompactThread(turn_id=TurnId(services.new_id()))
        answer = await thread.submit(command, by=connection.by, key=key)
    except REFUSALS as refusal:
        words = "The history was not compacted"
        warn_or_raise(services, connection, params.thread_id, words, refusal, key=key)
        return ThreadCompactStartResponse()
    first = answer.repeated.event if answer.repeated is not None else None
    if isinstance(first, TurnStarted | TurnQueued):
        return ThreadCompactStartResponse(first.turn_id)
    turn = thread.state.turn
    if turn is not None and turn.kind == "compact":
        return ThreadCompactStartResponse(turn.turn_id)
    waiting = waiting_compaction(thread.state.waiting)
    if waiting is None:  # There was nothing to compact: it is over.
        return ThreadCompactStartResponse(command.turn_id)
    return ThreadCompactStartResponse(waiting, queued=True)


async def thread_compact_preview(
    services: Services, connection: Connection, params: history.ThreadCompactPreviewParams
) -> codexd_methods.ThreadCompactPreviewResponse:
    """What a compaction would keep and lose (codexd only)."""
    thread = await open_thread(services, params.thread_id)
    await thread.restore()
    model_history, state = thread.folds.history, thread.state
    assert state.settings is not None
    limits = thread.world.lookups.limits(state.settings)
    kept_items = kept_items_of(model_history.compaction_keep, limits.window)
    items = [bytes(item) for item in kept_items.items]
    lost = Counter(model_history.items) - Counter(items)
    words = {word.seq: word.text for word in model_history.compaction_keep.words}
    kept = [
        codexd_methods.KeptPreview(
            pin.seq, _tokens([text_message("user", words[pin.seq])]), _line(words[pin.seq])
        )
        if not pin.truncated
        else codexd_methods.KeptPreview(pin.seq, 0, _line(words[pin.seq]), truncated=True)
        for pin in kept_items.kept
    ]
    kept += [
        codexd_methods.KeptPreview(pin.seq, pin.tokens, pin.text, pinned=True)
        for pin in _pins(thread).pins
    ]
    kept_tokens = _tokens(items)
    return codexd_methods.ThreadCompactPreviewResponse(
        state.window.context_tokens,
        limits.compact_at,
        await _counted(tuple(model_history.items)),
        tuple(_with_rest(sorted(kept, key=lambda preview: preview.seq), kept_tokens)),
        kept_tokens,
        await _counted(lost.elements()),
        state.compactions,
    )


def _with_rest(
    kept: list[codexd_methods.KeptPreview], kept_tokens: int
) -> Iterable[codexd_methods.KeptPreview]:
    """A message that is cut takes what the others leave of the room."""
    rest = kept_tokens - sum(preview.tokens for preview in kept)
    return [
        msgspec.structs.replace(preview, tokens=max(rest, 0)) if preview.truncated else preview
        for preview in kept
    ]


async def thread_pin_add(
    services: Services, connection: Connection, params: history.ThreadPinParams
) -> codexd_methods.ThreadPinsResponse:
    """Have every compaction keep what the model was given of a record (codexd only)."""
    thread = await open_thread(services, params.thread_id)
    items = await _given(thread, params.seq)
    await thread.submit(c.PinRecord(seq=params.seq, items=items), by=connection.by)
    return _pins(thread)


async def thread_pin_remove(
    services: Services, connection: Connection, params: history.ThreadPinParams
) -> codexd_methods.ThreadPinsResponse:
    """Let it go with the next compaction (codexd only)."""
    thread = await open_thread(services, params.thread_id)
    await thread.submit(c.UnpinRecord(seq=params.seq), by=connection.by)
    return _pins(thread)


async def thread_pin_list(
    services: Services, connection: Connection, params: history.ThreadPinListParams
) -> codexd_methods.ThreadPinsResponse:
    """The pins of a thread (codexd only)."""
    return _pins(await open_thread(services, params.thread_id))


def _pins(thread: ThreadActor) -> codexd_methods.ThreadPinsResponse:
    pins = thread.folds.history.compaction_keep.pins
    return codexd_methods.ThreadPinsResponse(
        tuple(
            codexd_methods.PinView(pin.seq, _tokens(pin.items), _line(_text(pin.items)))
            for pin in pins
        )
    )


async def _given(thread: ThreadActor, seq: int) -> tuple[msgspec.Raw, ...]:
    """The model's items of a record. Raises: RpcError, where there are none."""
    if not 0 < seq <= thread.version:
        raise invalid_params(
            f"seq: expected a record from 1 to {thread.version}, found {seq}; nothing was pinned"
        )
    if not Visibility(thread.summary.reverts).counts(seq):
        raise invalid_params(
            f"seq: record {seq} was reverted, so the model has nothing of it; nothing was pinned"
        )
    recorded = decode_record((await record_at(thread.world.store, thread.thread_id, seq)).line)
    event = recorded.event
    items: tuple[msgspec.Raw, ...] = ()
    waits = isinstance(event, InputQueued) and any(
        queued.item_id == event.item_id for queued in thread.state.queue
    )
    if not waits:
        call_id = call_of(event)
        items = pinned_items(recorded, await _turn_around(thread, recorded) if call_id else ())
    if not items:
        raise _not_given(recorded)
    return items


def _not_given(recorded: Recorded) -> RpcError:
    event = recorded.event
    kind = event.type
    return invalid_params(
        f"seq: expected a record that the model was given: a message of a person (input.queued, turn.steered), an "
        f"answer or a finished tool call (model.item_completed, tool.ended), or context (context.added); found "
        f"record {recorded.seq}, {kind}; nothing was pinned"
    )


async def _turn_around(thread: ThreadActor, recorded: Recorded) -> list[Recorded]:
    """The records of the turn of a call or its answer, as far as they are needed."""
    store, thread_id, seq = thread.world.store, thread.thread_id, recorded.seq
    found: list[Recorded] = []
    call_id = call_of(recorded.event)
    if isinstance(recorded.event, ToolEnded):
        async for record in records_back(store, thread_id, before=seq + 1, limit=_PAGE_RECORDS):
            found.append(decode_record(record.line))
            if record.type == TurnStarted.type or len(found) >= HALVES_RECORDS_MAX:
                break
        return found[::-1]
    upto = min(thread.version, seq + HALVES_RECORDS_MAX)
    async for record in records(store, thread_id, after=seq - 1, upto=upto, limit=_PAGE_RECORDS):
        found.append(decode_record(record.line))
        event = found[-1].event
        if isinstance(event, ToolEnded) and event.call_id == call_id:
            break
    return found


def _tokens(items: Sequence[bytes]) -> int:
    return tokens_of(sum(json_bytes(msgspec.Raw(item)) for item in items))


async def _counted(items: Iterable[bytes]) -> codexd_methods.HistoryCount:
    """The items by what they are."""
    counts: Counter[str] = Counter()
    size, steps = 0, Steps()
    for item in items:
        size += json_bytes(msgspec.Raw(item))
        counts[_kind(read_head(item))] += 1
        await steps.next()
    return codexd_methods.HistoryCount(**counts, tokens=tokens_of(size))


def _kind(item: ItemHead) -> str:
    if item.type == "message":
        return "answers" if item.role == "assistant" else "user_messages"
    if item.is_answer:
        return "outputs"
    if item.type.endswith("_call"):
        return "calls"
    return "reasoning" if item.type == "reasoning" else "other"


def _text(items: Sequence[bytes]) -> str:
    match read_item(items[-1]) if items else None:
        case MessageItem(content=said) | OutputItem(output=said) | ReasoningItem(content=said):
            return " ".join([part.text or "" for part in parts_of(said)])
        case CallItem(name=name):
            return name or ""
        case _:
            return ""


def _line(text: str) -> str:
    line = " ".join(text[: 2 * PREVIEW_CHARACTERS].split())
    return line if len(line) <= PREVIEW_CHARACTERS else f"{line[: PREVIEW_CHARACTERS - 1]}…"
