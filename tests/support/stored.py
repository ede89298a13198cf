"""Played records in a store, as an actor would have appended them one by one."""

from __future__ import annotations

from collections.abc import Sequence

from codexd.core.events.events import Unknown, encode_event
from codexd.core.events.record import Recorded, encode_members
from codexd_eventstore.store import EventStore, NewEvent
from random_thread import THREAD


async def write(store: EventStore, records: Sequence[Recorded]) -> None:
    """Append them to the thread that is played."""
    for record in records:
        event = record.event
        assert not isinstance(event, Unknown)
        new = NewEvent(
            event.type, encode_event(event), event.v, encode_members(record.by, record.turn)
        )
        await store.append(
            THREAD, [new], expected_version=record.seq - 1, at_us=record.at_ms * 1000, durable=False
        )
