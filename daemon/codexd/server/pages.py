"""Pages of a thread's past, read from the end of its log: a page costs what is on it, not the whole thread."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from codexd.core.events import InputQueued, TurnStarted
from codexd.core.record import Recorded, decode_record
from codexd.projections.transcript import Transcript, TurnView
from codexd.protocol.rpc import RpcError, invalid_params
from codexd.protocol.threads import SortDirection, ThreadItemEntry
from codexd.protocol.turns import Turn
from codexd.runtime.actor import ThreadActor
from codexd_eventstore.store import EventStore

# How many entries a page has where the client does not say, and at most: the original's figures.
PAGE_DEFAULT, PAGE_MAX = 25, 100
# Records read at a time on the way back.
BACK_RECORDS = 256

_CURSOR = re.compile(r"at-(\d{1,15})(?:\.(\d{1,9}))?", re.ASCII)

# In place of an item: the turn that begins at the event counts as beyond the cursor, in both directions.
INCLUSIVE = 999_999_999


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in a thread: an event, and which of the items that it completed."""

    seq: int
    index: int = 0

    def cursor(self) -> str:
        """It as a client keeps it."""
        return f"at-{self.seq}.{self.index}"


def read_cursor(cursor: str | None) -> Place | None:
    """A cursor as a client gave it back. Raises: RpcError."""
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise invalid_cursor(cursor)
    return Place(int(found[1]), int(found[2] or 0))


def invalid_cursor(cursor: str) -> RpcError:
    """The cursor is none of ours."""
    return invalid_params(
        f"invalid cursor: expected one from an earlier page of this list, found {cursor[:80]!r}"
    )


def page_limit(limit: int | None) -> int:
    """How many entries to give. Raises: RpcError, where it is negative."""
    if limit is not None and limit < 0:
        raise invalid_params(f"limit: expected 0 or more, found {limit}")
    return min(max(limit if limit is not None else PAGE_DEFAULT, 1), PAGE_MAX)


class Page(msgspec.Struct, frozen=True):
    """Entries in the order asked for, and where their neighbours begin."""

    next_cursor: str | None
    backwards_cursor: str | None
    turns: tuple[TurnView, ...] = ()
    items: tuple[ThreadItemEntry, ...] = ()


async def all_turns(store: EventStore, stream: str, version: int) -> list[TurnView]:
    """Every turn up to a version."""
    transcript = Transcript()
    after = 0
    while after < version:
        page = await store.read(stream, after=after)
        transcript.apply_all(decode_record(r.line) for r in page if r.seq <= version)
        after = page[-1].seq
    return transcript.turns


async def settled_turns(thread: ThreadActor, transcript: Transcript) -> tuple[Turn, ...]:
    """All turns, as of the version that the thread has when this returns; it may go on meanwhile.

    `transcript` has seen the log up to some event, or nothing of it; it is taken on from there.
    """
    while transcript.seq < thread.version:
        for record in await thread.world.store.read(thread.thread_id, after=transcript.seq):
            if record.seq > thread.version:
                break  # On disk, and nobody was told of it yet.
            transcript.apply(decode_record(record.line))
    return tuple(view.turn() for view in transcript.turns)


async def turns_page(
    store: EventStore, stream: str, place: Place | None, limit: int, direction: SortDirection
) -> Page:
    """A page of turns. Downwards it begins before `place`, or at the end; upwards after it.

    The cursor backwards is for the other direction, and brings the first turn here once more: it may
    have gone on meanwhile.
    """
    inclusive = int(place is not None and place.index == INCLUSIVE)
    if direction == "desc":
        before = place.seq + inclusive if place is not None else None
        turns = await _turns_back(store, stream, before, limit + 1)
        turns.reverse()
    else:
        after = place.seq - inclusive if place is not None else 0
        turns = await _turns_on(store, stream, after, limit + 1)
    shown, more = turns[:limit], len(turns) > limit
    beside = -1 if direction == "desc" else 1
    return Page(
        Place(shown[-1].seq).cursor() if more else None,
        Place(shown[0].seq + beside).cursor() if shown else None,
        turns=tuple(shown),
    )


async def items_page(
    store: EventStore,
    stream: str,
    place: Place | None,
    limit: int,
    direction: SortDirection,
    turn_id: str | None,
) -> Page:
    """A page of items, those of one turn or of all, by when they were completed."""
    wanted = limit + 1
    if turn_id is not None:
        found = _entries(await _one_turn(store, stream, turn_id))
    elif direction == "desc":
        found = await _entries_back(store, stream, place, wanted)
    else:
        found = await _entries_on(store, stream, place, wanted)
    if direction == "desc":
        found.reverse()
    if place is not None:
        found = [one for one in found if _beyond(one[0], place, direction)]
    shown, more = found[:limit], len(found) > limit
    return Page(
        shown[-1][0].cursor() if more else None,
        shown[0][0].cursor() if shown else None,
        items=tuple(entry for _, entry in shown),
    )


async def item_place(store: EventStore, stream: str, turn_id: str, item_id: str) -> Place | None:
    """Where an item of a turn stands; None if there is none of that id."""
    for place, entry in _entries(await _one_turn(store, stream, turn_id)):
        if not isinstance(entry.item, msgspec.Raw) and entry.item.id == item_id:
            return place
    return None


_Entry = tuple[Place, ThreadItemEntry]


def _beyond(one: Place, place: Place, direction: SortDirection) -> bool:
    return one < place if direction == "desc" else one > place


async def _entries_back(
    store: EventStore, stream: str, place: Place | None, wanted: int
) -> list[_Entry]:
    """At least so many entries in front of a place, if there are; whole turns of them."""
    before = place.seq + 1 if place is not None else None
    count = 4
    while True:
        turns = await _turns_back(store, stream, before, count)
        entries = _entries(turns)
        enough = sum(1 for at, _ in entries if place is None or at < place) >= wanted
        if enough or len(turns) < count:
            return entries
        count *= 4


async def _entries_on(
    store: EventStore, stream: str, place: Place | None, wanted: int
) -> list[_Entry]:
    """At least so many entries behind a place, if there are; whole turns of them."""
    start = 0
    if place is not None:
        begun = await _turns_back(store, stream, place.seq + 1, 1)
        start = begun[0].seq - 1 if begun else 0
    count = 4
    while True:
        turns = await _turns_on(store, stream, start, count)
        entries = _entries(turns)
        enough = sum(1 for at, _ in entries if place is None or at > place) >= wanted
        if enough or len(turns) < count:
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
            entries.append((Place(seq, index), entry))
    return entries


async def _one_turn(store: EventStore, stream: str, turn_id: str) -> list[TurnView]:
    """The turn of that id, if there is one: looked for from the end, where people look."""
    before: int | None = None
    while page := await store.read_back(stream, before=before, limit=BACK_RECORDS):
        for record in page:
            if record.type == TurnStarted.type:
                event = decode_record(record.line).event
                if isinstance(event, TurnStarted) and event.turn_id == turn_id:
                    return await _turns_on(store, stream, record.seq - 1, 1)
        before = page[-1].seq
    return []


async def _turns_on(store: EventStore, stream: str, after: int, count: int) -> list[TurnView]:
    """The first so many turns that begin after an event, oldest first, each of them whole."""
    on: list[Recorded] = []
    begun, queued, missing = 0, set[str](), set[str]()
    position, version = after, (await store.head(stream)).version
    while position < version and begun <= count:
        for record in await store.read(stream, after=position, limit=BACK_RECORDS):
            position = record.seq
            recorded = decode_record(record.line)
            if isinstance(recorded.event, TurnStarted):
                begun += 1
                if begun > count:
                    break
                missing.update(one for one in recorded.event.inputs if one not in queued)
            elif isinstance(recorded.event, InputQueued):
                queued.add(recorded.event.item_id)
            on.append(recorded)
    return _folded([*await _inputs(store, stream, after + 1, missing), *on])


async def _turns_back(
    store: EventStore, stream: str, before: int | None, count: int
) -> list[TurnView]:
    """The last so many turns that begin in front of an event, oldest first, each of them whole."""
    back: list[Recorded] = []
    begun, missing = 0, set[str]()
    at = before
    while begun < count:
        page = await store.read_back(stream, before=at, limit=BACK_RECORDS)
        if not page:
            break
        for record in page:
            recorded = decode_record(record.line)
            at = recorded.seq
            back.append(recorded)
            if isinstance(recorded.event, TurnStarted):
                begun += 1
                missing.update(recorded.event.inputs)
                if begun == count:
                    break
            elif isinstance(recorded.event, InputQueued):
                missing.discard(recorded.event.item_id)
    back.reverse()
    rest = await _rest_of_turn(store, stream, before) if before is not None else []
    return _folded([*await _inputs(store, stream, at, missing), *back, *rest])


async def _rest_of_turn(store: EventStore, stream: str, start: int) -> list[Recorded]:
    """The records from `start` on, up to where the next turn begins."""
    rest: list[Recorded] = []
    position, version = max(start - 1, 0), (await store.head(stream)).version
    while position < version:
        for record in await store.read(stream, after=position, limit=BACK_RECORDS):
            position = record.seq
            if record.type == TurnStarted.type:
                return rest
            rest.append(decode_record(record.line))
    return rest


async def _inputs(
    store: EventStore, stream: str, before: int | None, wanted: set[str]
) -> list[Recorded]:
    """Inputs that stand in front of an event: one waits for its turn, maybe through others."""
    found: list[Recorded] = []
    while wanted:
        page = await store.read_back(stream, before=before, limit=BACK_RECORDS)
        if not page:
            break
        for record in page:
            before = record.seq
            if record.type == InputQueued.type:
                recorded = decode_record(record.line)
                if isinstance(recorded.event, InputQueued) and recorded.event.item_id in wanted:
                    wanted.discard(recorded.event.item_id)
                    found.append(recorded)
    return found[::-1]


def _folded(records: Sequence[Recorded]) -> list[TurnView]:
    transcript = Transcript()
    transcript.apply_all(records)
    return transcript.turns
