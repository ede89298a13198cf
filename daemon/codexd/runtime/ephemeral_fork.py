"""A thread's past in a store of its own: what a fork in memory begins with.

A fork in memory shares nothing with its parent, so that either is forgotten without the other, and
nothing of the fork is written to where the parent lives.
"""

from __future__ import annotations

import re
from contextlib import suppress

import trio

from codexd.core.events.record import decode_envelope
from codexd.core.values.ids import ThreadId
from codexd_eventstore.reading import Pages
from codexd_eventstore.store import (
    Blobs,
    Damaged,
    EventStore,
    Maintenance,
    NewEvent,
    NotFound,
    Refused,
)

_IMAGE = re.compile(rb'"codexd-blob:([0-9a-f]{64});')


async def copy_past(
    source: EventStore, parent: ThreadId, at_seq: int, target: EventStore, child: ThreadId
) -> None:
    """Append the parent's records up to `at_seq` to a new stream, each with its own number and time.

    Raises:
        StoreError, InvalidEvent: what was copied until then is left, for the caller to delete.
    """
    copied = 0
    async for page in Pages(source, parent, upto=at_seq):
        foreign = await source.foreign_in(parent, page)
        for record in page:
            taken = decode_envelope(record.line)
            await _copy_images(source, bytes(taken.data), target)
            await target.append(
                child,
                [
                    NewEvent(
                        taken.type,
                        taken.data,
                        taken.v,
                        taken.members,
                        foreign=record.seq in foreign,
                    )
                ],
                expected_version=copied,
                at_us=taken.at_us,
                durable=False,
            )
            copied = record.seq
        # Neither store need wait when both are memory, and other threads want their turn.
        await trio.lowlevel.checkpoint()
    if copied < at_seq:
        raise Refused(f"stream {parent} has {copied} records: it cannot be forked at {at_seq}")


async def _copy_images(source: Blobs, data: bytes, target: Blobs) -> None:
    """The images that a record names: the child shows them even if its parent is gone."""
    for found in dict.fromkeys(_IMAGE.findall(data)):
        with suppress(NotFound, Damaged):  # It is gone for the parent too.
            await target.put_blob(await source.read_blob(found.decode()), as_it_is=True)


async def forget(memory: Maintenance, thread_id: ThreadId) -> None:
    """Delete a thread in memory, and the images that no other names. Raises: StoreError."""
    await memory.delete(thread_id)
    await memory.sweep_blobs()
