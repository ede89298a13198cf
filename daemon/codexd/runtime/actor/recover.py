"""The recovery of a thread that was just loaded: what a dead daemon left of it is read, texts that streamed included. I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import msgspec

from codexd.core.commands import OpenItem, Recover, TakenFrom
from codexd.core.values.ids import ItemId, ThreadId
from codexd.projections.clients.deltas import TextPart
from codexd.runtime.actor.ports import World
from codexd.runtime.actor.streaming import Header, open_item
from codexd.runtime.actor.streaming_output import OutputHeader, ends_of
from codexd.runtime.snapshots.load import Loaded
from codexd_eventstore.store import LeftDraft


async def recovery(
    world: World, thread_id: ThreadId, loaded: Loaded, taken_from: TakenFrom | None
) -> Recover:
    """The command that recovers what a dead daemon left, or accepts a thread from elsewhere.

    Raises: StoreError.
    """
    if taken_from is None and loaded.folds.state.foreign is not None:
        taken_from = await world.brought(thread_id)
    return Recover(
        open_items=read_left(await world.store.left_drafts(thread_id)),
        resume=world.resume_on_restart,
        repaired=loaded.head.repaired,
        forked=loaded.forked,
        taken_from=taken_from,
    )


log = logging.getLogger(__name__)

# What msgspec raises of bytes that it did not write: UnicodeDecodeError is a ValueError.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)

_HEADER = msgspec.json.Decoder(Header)
_OUTPUT_HEADER = msgspec.json.Decoder(OutputHeader)
_LINES = msgspec.json.Decoder(tuple[TextPart, int, str])


def read_left(drafts: Sequence[LeftDraft]) -> tuple[OpenItem, ...]:
    """The items that a dead daemon left in mid-stream, and what its commands had printed.

    A draft is never synced, so a power cut may leave zeros or anything in it: it gives its whole lines.
    """
    found: list[OpenItem] = []
    for left in drafts:
        try:
            header = _HEADER.decode(left.header)
        except _UNREADABLE:
            found += _left_output(left)
            continue
        texts: dict[tuple[TextPart, int], str] = {}
        lines = left.content.split(b"\n")[:-1]  # A torn last line was never shown.
        for part, index, text in _whole_lines(left.name, lines):
            texts[part, index] = texts.get((part, index), "") + text
        parts = [(part, index, text) for (part, index), text in texts.items()]
        found.append(open_item(header.item_id, header.kind, header.started_ms, parts))
    return tuple(found)


def _whole_lines(name: str, lines: Sequence[bytes]) -> Iterator[tuple[TextPart, int, str]]:
    lost = 0
    for line in lines:
        try:
            yield _LINES.decode(line)
        except _UNREADABLE:
            lost += 1
    if lost:
        log.warning("draft %s: %d of %d lines cannot be read, and are lost", name, lost, len(lines))


def _left_output(left: LeftDraft) -> list[OpenItem]:
    try:
        header = _OUTPUT_HEADER.decode(left.header)
    except _UNREADABLE:
        log.warning("draft %s: its first line cannot be read, and it is lost", left.name)
        return []
    return [OpenItem(ItemId(header.call_id), "call", text=ends_of(left.content))]
