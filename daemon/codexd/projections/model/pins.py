"""The items of a pinned record: the same bytes as in the model's history.

A tool's output means nothing without its call, and a call must have its output, so they are kept together.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.values.ids import CallId
from codexd.core.values.provider_items import text_message
from codexd.projections.model.items import call_output, user_message, without_id


def call_of(event: e.Event | e.Unknown) -> CallId | None:
    """The tool call that a record is the beginning or the end of."""
    if isinstance(event, e.ItemCompleted) and event.call is not None:
        return event.call.call_id
    return event.call_id if isinstance(event, e.ToolEnded) else None


def pinned_items(recorded: Recorded, records: Iterable[Recorded] = ()) -> tuple[msgspec.Raw, ...]:
    """The items of a record in the model's history; none where it has none, or not yet.

    Args:
        records: where a call's other half is to be found, in order; those of its turn are enough.
    """
    event = recorded.event
    match event:
        case e.InputQueued() | e.TurnSteered():
            return (msgspec.Raw(user_message(event.content)),)
        case e.ContextAdded():
            return (msgspec.Raw(text_message(event.role, event.text)),)
        case e.ItemCompleted() if event.kind == "message":
            return (msgspec.Raw(without_id(event.item)),)
        case _:
            call_id = call_of(event)
            return () if call_id is None else _call_and_answer(call_id, recorded.seq, records)


def _call_and_answer(
    call_id: CallId, seq: int, records: Iterable[Recorded]
) -> tuple[msgspec.Raw, ...]:
    """The two records of a call, of which `seq` is one: some providers use a call's id again."""
    call, call_seq = None, 0
    for record in records:
        event = record.event
        if call_of(event) != call_id:
            continue
        if isinstance(event, e.ItemCompleted):
            call, call_seq = event, record.seq
        elif isinstance(event, e.ToolEnded) and call is not None and seq in (call_seq, record.seq):
            assert call.call is not None
            answer = call_output(call.call, event.result)
            return (msgspec.Raw(without_id(call.item)), msgspec.Raw(answer))
    return ()
