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
from codexd_eventstore.store import EventStore

# How many entries a page has where the client does not say, and at most: the original's figures.
PAGE_DEFAULT, PAGE_MAX = 25, 100
# Records read at a time on the way back.
BACK_RECORDS = 256

_CURSOR = re.compile(r"at-(\d{1,15})(?:\.(\d{1,9}))?", re.ASCII)


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


async def turns_page(
    store: EventStore, stream: str, place: Place | None, limit: int, direction: SortDirection
) -> Page:
    """A page of turns. Downwards it begins before `place`, or at the end; upwards after it."""
    if direction == "desc":
        turns = await _turns_back(
            store, stream, place.seq if place is not None else None, limit + 1
        )
        turns.reverse()
    else:
        turns = await _turns_on(store, stream, place.seq if place is not None else 0)
    shown, more = turns[:limit], len(turns) > limit
    return Page(
        Place(shown[-1].seq).cursor() if more else None,
        Place(shown[0].seq).cursor() if shown else None,
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
    if turn_id is not None or direction == "asc":
        found = _entries(await _turns_on(store, stream, 0), turn_id)
    else:
        found = await _entries_back(store, stream, place, limit + 1)
    if direction == "desc":
        found.reverse()
    if place is not None:
        found = [
            one for one in found if (one[0] < place) == (direction == "desc") and one[0] != place
        ]
    shown, more = found[:limit], len(found) > limit
    return Page(
        shown[-1][0].cursor() if more else None,
        shown[0][0].cursor() if shown else None,
        items=tuple(entry for _, entry in shown),
    )


async def _entries_back(
    store: EventStore, stream: str, place: Place | None, wanted: int
) -> list[tuple[Place, ThreadItemEntry]]:
    """At least so many entries in front of a place, if there are; whole turns of them."""
    before = place.seq + 1 if place is not None else None
    count = 4
    while True:
        turns = await _turns_back(store, stream, before, count)
        entries = _entries(turns, None)
        enough = sum(1 for at, _ in entries if place is None or at < place) >= wanted
        if enough or len(turns) < count:
            return entries
        count *= 4


def _entries(turns: Sequence[TurnView], turn_id: str | None) -> list[tuple[Place, ThreadItemEntry]]:
    entries: list[tuple[Place, ThreadItemEntry]] = []
    for turn in turns:
        if turn_id is not None and turn.turn_id != turn_id:
            continue
        last_seq, index = 0, 0
        for seq, item in zip(turn.item_seqs, turn.items, strict=True):
            index = index + 1 if seq == last_seq else 0
            last_seq = seq
            entry = ThreadItemEntry(turn.turn_id, item, item.started_at_ms, item.completed_at_ms)
            entries.append((Place(seq, index), entry))
    return entries


async def _turns_on(store: EventStore, stream: str, after: int) -> list[TurnView]:
    """All turns that begin after an event, oldest first."""
    turns = await all_turns(store, stream, (await store.head(stream)).version)
    return [turn for turn in turns if turn.seq > after]


async def _turns_back(
    store: EventStore, stream: str, before: int | None, count: int
) -> list[TurnView]:
    """The last so many turns of which a part stands in front of an event, oldest first."""
    back: list[Recorded] = []
    begun, missing = 0, set[str]()
    while begun < count or missing:
        page = await store.read_back(stream, before=before, limit=BACK_RECORDS)
        if not page:
            break
        for record in page:
            recorded = decode_record(record.line)
            if begun < count:
                back.append(recorded)
                if isinstance(recorded.event, TurnStarted):
                    begun += 1
                    missing.update(recorded.event.inputs)
            if isinstance(recorded.event, InputQueued) and recorded.event.item_id in missing:
                # Input stands in front of its turn, and may have waited through others.
                missing.discard(recorded.event.item_id)
                if back[-1] is not recorded:
                    back.append(recorded)
        before = page[-1].seq
    transcript = Transcript()
    transcript.apply_all(reversed(back))
    return transcript.turns
