"""Pages of a thread's past, read from the end of its log: a page costs its own records, not the whole thread."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from codexd.core.commands import OpenItem
from codexd.core.events.record import decode_record
from codexd.machine.pacing import Steps
from codexd.projections.clients.turns import TurnProjection, TurnView
from codexd.protocol.threads import SortDirection, ThreadItemEntry
from codexd.protocol.turns import Turn
from codexd.protocol.wire.rpc import RpcError, invalid_params
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.recover import read_left
from codexd.server.reads.images import encoded, turns_with_images
from codexd.server.reads.turns import TurnReader
from codexd_eventstore.reading import Pages
from codexd_eventstore.store import Drafts, EventLog, EventStore, StoreError

Entry = TypeVar("Entry")

# How many entries a page has where the client does not say, and at most: Codex's figures.
PAGE_DEFAULT, PAGE_MAX = 25, 100

_CURSOR = re.compile(r"at-(\d{1,15})(?:\.(\d{1,9}))?", re.ASCII)
# How many entries came before. Python reads no integer of more than 4300 digits, and no list has so many entries.
_COUNT = re.compile(r"\d{1,15}", re.ASCII)

# In place of an item: the turn that begins at the event counts as beyond the cursor, in both directions.
INCLUSIVE = 999_999_999


class TurnCursor(msgspec.Struct, frozen=True, order=True):
    """A place in a thread: an event, and which of the items that it completed."""

    seq: int
    index: int = 0

    def cursor(self) -> str:
        """It as a client keeps it."""
        return f"at-{self.seq}.{self.index}"


def read_cursor(cursor: str | None) -> TurnCursor | None:
    """A cursor as a client gave it back. Raises: RpcError."""
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise invalid_cursor(cursor)
    return TurnCursor(int(found[1]), int(found[2] or 0))


def invalid_cursor(cursor: str) -> RpcError:
    """The cursor is none of ours."""
    return invalid_params(
        f"invalid cursor: expected one from an earlier page of this list, found {cursor[:80]!r}"
    )


def counting_cursor(cursor: str | None) -> int:
    """How many entries came before, in a list whose cursors say so. Raises: RpcError."""
    if cursor is None:
        return 0
    if _COUNT.fullmatch(cursor) is None:
        raise invalid_cursor(cursor)
    return int(cursor)


def counted_page(
    entries: Sequence[Entry], cursor: str | None, limit: int | None
) -> tuple[tuple[Entry, ...], str | None]:
    """A page of such a list, and the cursor of the next; without a limit all that is left. Raises: RpcError."""
    start = counting_cursor(cursor)
    end = start + max(limit, 1) if limit is not None else len(entries)
    return tuple(entries[start:end]), str(end) if end < len(entries) else None


def page_limit(limit: int | None) -> int:
    """How many entries to give. Raises: RpcError, where it is negative."""
    if limit is not None and limit < 0:
        raise invalid_params(f"limit: expected 0 or more, found {limit}")
    return min(max(limit if limit is not None else PAGE_DEFAULT, 1), PAGE_MAX)


class TurnPage(msgspec.Struct, frozen=True):
    """Entries in the order asked for, and where their neighbours begin."""

    cursors: tuple[TurnCursor, ...]  # of the entries
    more: bool  # whether others follow on them
    backwards_cursor: str | None
    turns: tuple[TurnView, ...] = ()
    items: tuple[ThreadItemEntry, ...] = ()

    def next_cursor(self, shown: int) -> str | None:
        """The cursor of the next page, if this page shows `shown` entries."""
        return self.cursors[shown - 1].cursor() if self.more or shown < len(self.cursors) else None


async def all_turns(
    store: EventStore, stream: str, thread: Callable[[], ThreadActor | None]
) -> list[TurnView]:
    """Every turn, with what streams now; where the thread is not loaded, with the drafts that a dead daemon left.

    `thread` gives the thread, where it is loaded.
    """
    transcript, steps = TurnProjection(), Steps()
    while True:
        loaded = thread()
        version = loaded.version if loaded is not None else (await store.head(stream)).version
        await _fold(transcript, store, stream, version, steps)
        left = () if loaded is not None else await _left(store, stream)
        if thread() is loaded and (loaded is None or loaded.version == transcript.seq):
            # From here to the return there is no checkpoint: what streams follows these records.
            transcript.show_open(loaded.streaming.shown() if loaded is not None else left)
            return transcript.turns


async def _fold(
    transcript: TurnProjection, log: EventLog, stream: str, upto: int, steps: Steps
) -> None:
    """Apply the records that the projection has not seen yet."""
    async for page in Pages(log, stream, after=transcript.seq, upto=upto):
        for record in page:
            transcript.apply(decode_record(record.line))
            if steps.is_over:
                await steps.next()


async def _left(store: Drafts, stream: str) -> tuple[OpenItem, ...]:
    try:
        return read_left(await store.left_drafts(stream))
    except StoreError:
        return ()  # The error is reported when the thread is loaded.


async def settled_turns(
    thread: ThreadActor, transcript: TurnProjection, room: int
) -> tuple[Turn, ...]:
    """All turns, as of the version that the thread has when this returns; it may go on meanwhile.

    `transcript` has seen the log up to some event, or nothing of it; it is taken on from there. `room`, in bytes,
    is for the turns and those images that fit.
    """
    steps = Steps()
    while True:
        # Records after the thread's version are on disk and not published yet.
        await _fold(transcript, thread.world.store, thread.thread_id, thread.version, steps)
        turns = [view.turn() for view in transcript.turns]
        shown = await encoded(await turns_with_images(turns, thread.world.images, room))
        if transcript.seq == thread.version:
            return shown


async def turns_page(
    past: TurnReader, cursor: TurnCursor | None, limit: int, direction: SortDirection
) -> TurnPage:
    """A page of turns. Downwards it begins before `cursor`, or at the end; upwards after it.

    The backwards cursor is for the other direction, and includes the first turn here again: it may have
    changed meanwhile.
    """
    inclusive = int(cursor is not None and cursor.index == INCLUSIVE)
    if direction == "desc":
        before = cursor.seq + inclusive if cursor is not None else None
        turns = await past.back(before, limit + 1)
        turns.reverse()
    else:
        after = cursor.seq - inclusive if cursor is not None else 0
        turns = await past.on(after, limit + 1)
    shown, more = turns[:limit], len(turns) > limit
    beside = -1 if direction == "desc" else 1
    return TurnPage(
        tuple(TurnCursor(turn.seq) for turn in shown),
        more,
        TurnCursor(shown[0].seq + beside).cursor() if shown else None,
        turns=tuple(shown),
    )


async def items_page(
    past: TurnReader,
    cursor: TurnCursor | None,
    limit: int,
    direction: SortDirection,
    turn_id: str | None,
) -> TurnPage:
    """A page of items, of one turn or of all, in the order of their completion."""
    wanted = limit + 1

    def is_wanted(at: TurnCursor) -> bool:
        return cursor is None or (at < cursor if direction == "desc" else at > cursor)

    if turn_id is not None:
        found = _entries(await past.find(turn_id))
    elif direction == "desc":
        before = cursor.seq + 1 if cursor is not None else None
        found = await _entries_of(lambda count: past.back(before, count), is_wanted, wanted)
    else:
        begun = await past.back(cursor.seq + 1, 1) if cursor is not None else []
        after = begun[0].seq - 1 if begun else 0
        found = await _entries_of(lambda count: past.on(after, count), is_wanted, wanted)
    if direction == "desc":
        found.reverse()
    found = [entry for entry in found if is_wanted(entry[0])]
    shown, more = found[:limit], len(found) > limit
    return TurnPage(
        tuple(at for at, _ in shown),
        more,
        shown[0][0].cursor() if shown else None,
        items=tuple(entry for _, entry in shown),
    )


async def item_cursor(past: TurnReader, turn_id: str, item_id: str) -> TurnCursor | None:
    """The position of an item in a turn; None if no item has the id."""
    for cursor, entry in _entries(await past.find(turn_id)):
        if not isinstance(entry.item, msgspec.Raw) and entry.item.id == item_id:
            return cursor
    return None


_Entry = tuple[TurnCursor, ThreadItemEntry]


async def _entries_of(
    read: Callable[[int], Awaitable[list[TurnView]]],
    is_wanted: Callable[[TurnCursor], bool],
    wanted: int,
) -> list[_Entry]:
    """At least `wanted` entries that are wanted, if there are; whole turns, of which `read` gives any number."""
    count = 4
    while True:
        turns = await read(count)
        entries = _entries(turns)
        if sum(is_wanted(at) for at, _ in entries) >= wanted or len(turns) < count:
            return entries
        count *= 4


def _entries(turns: Sequence[TurnView]) -> list[_Entry]:
    entries: list[_Entry] = []
    for turn in turns:
        last_seq, index = 0, 0
        for seq, item in zip(turn.item_seqs, turn.items, strict=True):
            index = index + 1 if seq == last_seq else 0
            last_seq = seq
            entry = ThreadItemEntry(turn.turn_id, item, item.started_at_ms, item.completed_at_ms)
            entries.append((TurnCursor(seq, index), entry))
    return entries
