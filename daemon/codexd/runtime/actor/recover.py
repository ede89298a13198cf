"""The recovery of a thread that was just loaded: what a dead daemon left of it is read, texts that streamed included. I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec

from codexd.core.commands import OpenItem, Recover
from codexd.core.decide.transition import second_run_at
from codexd.core.policy.action_kinds import kind_of
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ItemId, ThreadId
from codexd.core.values.taken_from import TakenFrom
from codexd.projections.clients.deltas import TextPart
from codexd.runtime.actor.ports import World
from codexd.runtime.actor.streaming import Header, Streaming, open_item
from codexd.runtime.actor.streaming_output import OutputHeader, ends_of
from codexd.runtime.snapshots.load import Loaded
from codexd_eventstore.store import LeftDraft, NotFound, StoreFailed


async def recovery(
    world: World, thread_id: ThreadId, loaded: Loaded, taken_from: TakenFrom | None
) -> tuple[Recover, dict[str, LeftDraft]]:
    """The command that recovers what a dead daemon left, or accepts a thread from elsewhere; and the output of its
    commands up to now, by call or process.

    Raises: StoreError.
    """
    if taken_from is None and loaded.folds.state.foreign is not None:
        taken_from = await world.brought(thread_id)
    left = await world.store.left_drafts(thread_id)
    recover = Recover(
        open_items=read_left(left),
        resume=world.resume_on_restart,
        repaired=loaded.head.repaired,
        forked=loaded.forked,
        taken_from=taken_from,
    )
    return recover, _left_outputs(left)


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


def take_up_outputs(
    streaming: Streaming, state: ThreadState, left: Mapping[str, LeftDraft]
) -> None:
    """Show what the commands that may be adopted, or run again, had printed, before anybody is told more of it."""
    calls = [process.call for process in state.processes]
    calls += [
        call
        for call in (state.turn.open_calls if state.turn else ())
        if call.running or call.first is not None
    ]
    for call in calls:
        printed = left.get(call.call_id)
        if call.action is None or printed is None:
            continue
        kind = kind_of(call.action)
        if kind.after_crash == "adopt":
            lasts = kind.session(call.action) is not None
            again_from = second_run_at(call) if call.approval_id is None else None
            with suppress(StoreFailed, NotFound):  # The disk fails: it is shown again by and by.
                streaming.open_output(
                    call.call_id, lasts=lasts, left=printed, again_from=again_from
                )


def _left_outputs(drafts: Sequence[LeftDraft]) -> dict[str, LeftDraft]:
    """Where more than one daemon died, the longest is what screens were shown."""
    found: dict[str, LeftDraft] = {}
    for left in drafts:
        with suppress(*_UNREADABLE):
            call_id = _OUTPUT_HEADER.decode(left.header).call_id
            found[call_id] = max(found.get(call_id, left), left, key=_size_of)
    return found


def _size_of(left: LeftDraft) -> int:
    return len(left.content) + left.gone_bytes + len(left.end)


def _left_output(left: LeftDraft) -> list[OpenItem]:
    try:
        header = _OUTPUT_HEADER.decode(left.header)
    except _UNREADABLE:
        log.warning("draft %s: its first line cannot be read, and it is lost", left.name)
        return []
    return [
        OpenItem(
            ItemId(header.call_id), "call", text=ends_of(left.content + left.end, left.gone_bytes)
        )
    ]
