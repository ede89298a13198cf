"""Images for a client: an image that the log names is sent as a data URL.

Law: an item has its image in notifications and in answers alike. An image that does not fit into the answer keeps its
name, and the rest of the answer is whole: a smaller page has it. A page of turns or items ends before it is too large.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar, cast

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import Event, InputQueued, TurnSteered, Unknown
from codexd.core.events.record import Recorded
from codexd.core.values.images import names_of
from codexd.core.values.items import ThreadItem, UserMessage
from codexd.machine.pacing import Steps
from codexd.projections.clients.deltas import Outgoing
from codexd.projections.clients.notifications import ClientProjection, ServerMessage
from codexd.protocol.notifications import ItemCompletedNotification, ItemStartedNotification
from codexd.protocol.threads import ThreadItemEntry
from codexd.protocol.turns import Turn
from codexd.runtime.images.images import Images
from codexd.runtime.images.images import shown as image_shown
from codexd.server.reads.answer_size import ENTRIES_BYTES_MAX, PAGE_BYTES_MAX

Urls = Mapping[str, bytes | None]
Entry = TypeVar("Entry", Turn, ThreadItemEntry)


async def turns_with_images(turns: Sequence[Turn], images: Images, room: int) -> tuple[Turn, ...]:
    """The turns with the images of their items, the last turn's first where there is no room for all.

    `room` is in bytes, and for the turns as well.
    """
    names = names_in([item for turn in reversed(turns) for item in turn.items])
    if not names:
        return tuple(turns)
    urls = await images.fetch(names, room - bytes_of(turns))
    return tuple([turn_with_images(turn, urls) for turn in turns])


async def page_of_turns(turns: Sequence[Turn], images: Images) -> tuple[Turn, ...]:
    """The first turns with their images, as many as fit into a page; at least one."""

    async def shown(turn: Turn) -> Turn:
        return (await turns_with_images((turn,), images, ENTRIES_BYTES_MAX))[0]

    return await _page_of(turns, shown)


async def page_of_entries(
    entries: Sequence[ThreadItemEntry], images: Images
) -> tuple[ThreadItemEntry, ...]:
    """The same of items by themselves."""

    async def shown(entry: ThreadItemEntry) -> ThreadItemEntry:
        names = names_in([entry.item])
        if not names:
            return entry
        urls = await images.fetch(names, ENTRIES_BYTES_MAX - bytes_of((entry,)))
        return replace(entry, item=_item(entry.item, urls))

    return await _page_of(entries, shown)


async def _page_of(
    entries: Sequence[Entry], show: Callable[[Entry], Awaitable[Entry]]
) -> tuple[Entry, ...]:
    shown: list[Entry] = []
    size, steps = 0, Steps()
    for entry in entries:
        whole, length = await _as_bytes(await show(entry), steps)
        size += length + 1
        if size > PAGE_BYTES_MAX and shown:
            break
        shown.append(whole)
    return tuple(shown)


async def encoded(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns with items encoded in steps, since the rest of an answer is encoded by one call."""
    steps = Steps()
    return tuple([(await _as_bytes(turn, steps))[0] for turn in turns])


async def _as_bytes(entry: Entry, steps: Steps) -> tuple[Entry, int]:
    """An entry with its parts already encoded, and its length in bytes."""
    whole: msgspec.Struct = entry
    if isinstance(entry, Turn):
        items = []
        for item in entry.items:
            items.append(msgspec.Raw(msgspec.json.encode(item)))
            if steps.is_over:
                await steps.next()
        whole = replace(entry, items=tuple(items))
    body = msgspec.json.encode(whole)
    if steps.is_over:
        await steps.next()
    return cast("Entry", msgspec.Raw(body)), len(body)


def bytes_of(entries: Sequence[msgspec.Struct | msgspec.Raw]) -> int:
    """How much of an answer they take."""
    return sum(len(msgspec.json.encode(entry)) + 1 for entry in entries)


def turn_with_images(turn: Turn, urls: Urls) -> Turn:
    """The turn with those images that are given."""
    if not urls or not names_in(turn.items):
        return turn
    return replace(turn, items=tuple([_item(item, urls) for item in turn.items]))


def names_in(items: Iterable[ThreadItem | msgspec.Raw]) -> list[str]:
    """The images of the items, as they are named."""
    return [
        name for item in items if isinstance(item, UserMessage) for name in names_of(item.content)
    ]


def names_to_show(wire: ClientProjection, records: Sequence[Recorded]) -> list[str]:
    """The images that the records may show to a follower at this projection."""
    names: list[str] = []
    for recorded in records:
        names += wire.images_shown_by(recorded.event)
        # What is queued and shown with the same append is not in the fold yet.
        names += _said_in(recorded.event) if len(records) > 1 else []
    return names


def messages_with_images(messages: Sequence[ServerMessage], urls: Urls) -> Sequence[ServerMessage]:
    """The parts of a message, with the images that are given."""
    if not urls:
        return messages
    return [_message(message, urls) for message in messages]


def _said_in(event: Event | Unknown) -> list[str]:
    return names_of(event.content) if isinstance(event, InputQueued | TurnSteered) else []


def _message(message: ServerMessage, urls: Urls) -> ServerMessage:
    if not isinstance(message, Outgoing):
        return message
    params = message.params
    if not isinstance(params, ItemStartedNotification | ItemCompletedNotification):
        return message
    item = _item(params.item, urls)
    return message if item is params.item else replace(message, params=replace(params, item=item))


def _item(item: ThreadItem | msgspec.Raw, urls: Urls) -> ThreadItem | msgspec.Raw:
    if not isinstance(item, UserMessage) or not names_of(item.content):
        return item
    return replace(item, content=tuple([image_shown(part, urls) for part in item.content]))
