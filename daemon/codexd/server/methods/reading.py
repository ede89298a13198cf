"""Answers to `thread/*` that only look: read, list, pages of turns and items, the raw log."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from codexd.core.commands import OpenItem
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.protocol import threads as t
from codexd.protocol.codexd_methods import ImportedFrom, ThreadLogReadParams, ThreadLogReadResponse
from codexd.protocol.turns import Turn
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.images.images import Images
from codexd.server.connection.connection import Connection
from codexd.server.feed.thread_view import heading
from codexd.server.methods.lookup import thread_id_of
from codexd.server.reads.answer_size import ENTRIES_BYTES_MAX, PAGE_BYTES_MAX
from codexd.server.reads.images import encoded, page_of_entries, page_of_turns, turns_with_images
from codexd.server.reads.pages import (
    INCLUSIVE,
    PAGE_MAX,
    TurnCursor,
    all_turns,
    item_cursor,
    items_page,
    page_limit,
    read_cursor,
    turns_page,
)
from codexd.server.reads.turns import TurnReader
from codexd.server.services import Services
from codexd_eventstore.store import EventStore, Record, StoreError

# Items that are asked for by their ids: Codex's figure.
ITEMS_READ_MAX = 100
# Records in one answer of the raw log.
LOG_PAGE_MAX = 1000


async def thread_read(
    services: Services, connection: Connection, params: t.ThreadReadParams
) -> t.ThreadReadResponse:
    """A thread, loaded or not, archived or not, without following it."""
    thread_id = thread_id_of(params.thread_id)
    row = await services.directory.find(thread_id)
    turns: tuple[Turn, ...] = ()
    if params.include_turns:
        store = services.store_of(thread_id)
        views = await all_turns(store, thread_id, lambda: services.supervisor.loaded(thread_id))
        turns = await encoded(
            await turns_with_images(
                [view.turn() for view in views], _images(services, thread_id), ENTRIES_BYTES_MAX
            )
        )
    shown = heading(
        thread_id,
        row.summary,
        services.state_of(thread_id),
        row.path,
        turns,
        reviewer_asks=services.hub.reviews.is_asking(thread_id),
        trouble=services.supervisor.stopped.get(thread_id),
    )
    if shown.imported_from is msgspec.UNSET and not row.summary.ephemeral:
        origin = await _origin(services, thread_id)
        shown = msgspec.structs.replace(shown, imported_from=origin)
    return t.ThreadReadResponse(shown)


async def _origin(services: Services, thread_id: ThreadId) -> ImportedFrom | msgspec.UnsetType:
    """The origin of an imported thread whose log does not record it yet."""
    try:
        package = await services.brought_in.of(thread_id)
        if package is not None:
            return ImportedFrom(package.origin, package.path)
        state = services.state_of(thread_id)
        is_foreign = await _is_foreign(services.store, thread_id, state)
    except StoreError:
        return msgspec.UNSET
    return ImportedFrom("log") if is_foreign else msgspec.UNSET


async def _is_foreign(store: EventStore, thread_id: ThreadId, state: ThreadState | None) -> bool:
    """Whether a thread has foreign records; `state` is None where it is not loaded."""
    if state is not None:
        return state.foreign is not None  # All of its records were checked when it was loaded.
    # Foreign records are at the beginning of a log or at its end.
    ends = await store.read(thread_id, limit=1) + await store.read_back(thread_id, limit=1)
    return bool(await store.foreign_in(thread_id, ends))


async def thread_turns_list(
    services: Services, connection: Connection, params: t.ThreadTurnsListParams
) -> t.ThreadTurnsListResponse:
    """A page of turns, newest first where the client does not say."""
    thread_id = thread_id_of(params.thread_id)
    past = await _past(services, thread_id)
    if params.at_seq is not None:
        _check_counts(past, params.at_seq)
        _check_there(params.at_seq, (await services.store_of(thread_id).head(thread_id)).version)
    page = await turns_page(
        past,
        read_cursor(params.cursor)
        if params.at_seq is None
        else TurnCursor(params.at_seq, INCLUSIVE),
        page_limit(params.limit),
        params.sort_direction or "desc",
    )
    view = params.items_view or "summary"
    shown = [turn.turn(view) for turn in page.turns]
    turns = await page_of_turns(shown, _images(services, thread_id))
    following = page.next_cursor(len(turns))
    return t.ThreadTurnsListResponse(turns, following, page.backwards_cursor)


async def thread_items_list(
    services: Services, connection: Connection, params: t.ThreadItemsListParams
) -> t.ThreadItemsListResponse:
    """A page of items, oldest first where the client does not say; calls that run or wait for a person come last."""
    thread_id = thread_id_of(params.thread_id)
    past = await _past(services, thread_id, partial(_printing, services, thread_id))
    place = await _items_place(past, params)
    page = await items_page(
        past,
        place,
        page_limit(params.limit),
        params.sort_direction or "asc",
        params.turn_id,
    )
    items = await page_of_entries(page.items, _images(services, thread_id))
    following = page.next_cursor(len(items))
    return t.ThreadItemsListResponse(items, following, page.backwards_cursor)


async def thread_items_read(
    services: Services, connection: Connection, params: t.ThreadItemsReadParams
) -> t.ThreadItemsReadResponse:
    """Those of some items that a turn has."""
    if not 1 <= len(params.item_ids) <= ITEMS_READ_MAX:
        raise invalid_params(
            f"itemIds: expected 1 to {ITEMS_READ_MAX}, found {len(params.item_ids)}"
        )
    thread_id = thread_id_of(params.thread_id)
    past, wanted = await _past(services, thread_id), set(params.item_ids)
    found: list[t.ThreadItemEntry] = []
    place: TurnCursor | None = None
    while len(found) < len(wanted):
        page = await items_page(past, place, PAGE_MAX, "asc", params.turn_id)
        found += [entry for entry in page.items if getattr(entry.item, "id", None) in wanted]
        following = page.next_cursor(len(page.items))
        if following is None:
            break
        place = read_cursor(following)
    return t.ThreadItemsReadResponse(
        await page_of_entries(tuple(found), _images(services, thread_id))
    )


async def _items_place(past: TurnReader, params: t.ThreadItemsListParams) -> TurnCursor | None:
    if not isinstance(params.cursor, t.ItemAnchor):
        return read_cursor(params.cursor)
    if not params.turn_id:
        raise invalid_params("cursor: an item for a cursor needs the turnId that it is in")
    place = await item_cursor(past, params.turn_id, params.cursor.item_id)
    if place is None:
        raise invalid_params(f"cursor: no item {params.cursor.item_id} in turn {params.turn_id}")
    return place


async def thread_loaded_list(
    services: Services, connection: Connection, params: t.ThreadLoadedListParams
) -> t.ThreadLoadedListResponse:
    """The ids of the loaded threads, oldest first; the cursor is the last id of the page before."""
    limit = page_limit(params.limit)
    ids = sorted(thread.thread_id for thread in services.supervisor.threads if _is_shown(thread))
    if params.cursor is not None:
        ids = [id_ for id_ in ids if id_ > params.cursor]
    page = tuple(ids[:limit])
    return t.ThreadLoadedListResponse(page, page[-1] if len(ids) > limit else None)


def _is_shown(thread: ThreadActor) -> bool:
    """Whether a list of loaded threads shows it: clients read each of these."""
    summary = thread.summary
    return summary.begun and not summary.hidden and not summary.makes_title


async def thread_log_read(
    services: Services, connection: Connection, params: ThreadLogReadParams
) -> ThreadLogReadResponse:
    """Records as they are in the log (codexd only)."""
    thread_id = thread_id_of(params.thread_id)
    limit = min(max(params.limit or LOG_PAGE_MAX, 1), LOG_PAGE_MAX)
    store = services.store_of(thread_id)
    page = _first_of(await store.read(thread_id, after=max(params.after, 0), limit=limit))
    version = (await store.head(thread_id)).version
    records = tuple(msgspec.Raw(record.line) for record in page)
    more = bool(page) and page[-1].seq < version
    return ThreadLogReadResponse(records, page[-1].seq if more else None)


def _first_of(records: list[Record]) -> list[Record]:
    """As many records as fit into a page; at least one."""
    sizes = itertools.accumulate(len(record.line) + 1 for record in records)
    return records[: max(1, sum(size <= PAGE_BYTES_MAX for size in sizes))]


async def _past(
    services: Services,
    thread_id: ThreadId,
    printing: Callable[[], Sequence[OpenItem]] | None = None,
) -> TurnReader:
    """The visibility of a thread's records, loaded or not. Raises: StoreError, InvalidEvent."""
    row = await services.directory.find(thread_id)
    return TurnReader(services.store_of(thread_id), thread_id, row.summary.reverts, printing)


def _printing(services: Services, thread_id: ThreadId) -> Sequence[OpenItem]:
    """The outputs of the calls of a thread that run now."""
    loaded = services.supervisor.loaded(thread_id)
    shown = loaded.streaming.shown() if loaded is not None else ()
    return [item for item in shown if item.kind == "call"]


def _check_counts(past: TurnReader, seq: int) -> None:
    """Raises: RpcError, for a record of a reverted turn."""
    span = past.visibility.span(seq)
    if span is not None:
        raise state_error(
            f"record {seq} is of a turn that was reverted at record {span.last + 1}: "
            "`codexctl log` has it, and a fork at its turn has it again",
            "turn_taken_back",
        )


def _check_there(seq: int, version: int) -> None:
    """Raises: RpcError, for a record that a thread does not have."""
    if not 1 <= seq <= version:
        raise invalid_params(f"expected the number of a record from 1 to {version}, found {seq}")


def _images(services: Services, thread_id: ThreadId) -> Images:
    return services.images(services.supervisor.is_ephemeral(thread_id))
