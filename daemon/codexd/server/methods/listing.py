"""`thread/list` and the searches: pages of threads, and of matches within a thread."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.state.visibility import Visibility
from codexd.core.values.ids import InvalidId, ThreadId, parse_thread_id
from codexd.core.values.session_source import INTERACTIVE
from codexd.index.query.listing import (
    FIRST_ID,
    LAST_ID,
    InvalidCursor,
    ListCursor,
    Row,
    SortKey,
    Wanted,
    read_cursor,
    write_cursor,
)
from codexd.index.query.search import FoundThread, Hit, Occurrence, found_threads
from codexd.index.query.terms import TERM_CHARS_MAX, InvalidTerm, Snippet, read_term
from codexd.machine.patience import NoAnswer, patiently
from codexd.projections.clients.beside_turns import shown_read_state
from codexd.protocol import searching as s
from codexd.protocol import threads as t
from codexd.protocol.codexd_methods import Indexing, SearchHit, TextRange
from codexd.protocol.wire.rpc import invalid_params
from codexd.runtime.troubles import Trouble, unreadable
from codexd.server.connection.connection import Connection
from codexd.server.feed.thread_view import heading
from codexd.server.methods.lookup import thread_id_of
from codexd.server.reads import pages
from codexd.server.reads.pages import page_limit
from codexd.server.services import Services

# The ids of threads that a list leaves out, or is limited to: Codex's figure.
IDS_MAX: Final = 100


async def thread_list(
    services: Services, connection: Connection, params: t.ThreadListParams
) -> t.ThreadListResponse:
    """A page of threads, newest first where the client does not say."""
    wanted, key = _wanted(params, _folders(params)), _key(params.sort_key)
    limit, upwards = page_limit(params.limit), params.sort_direction == "asc"
    print_ = wanted.print(key)
    wanted = replace(wanted, cwds=await _same_folders(services, wanted.cwds))
    page = await services.directory.page(
        wanted, key, upwards=upwards, start=start_of(print_, params.cursor), limit=limit
    )
    following, backwards = cursors(print_, key, page.rows, upwards=upwards)
    return t.ThreadListResponse(
        tuple(_shown(services, row) for row in page.rows),
        following if page.more else None,
        backwards,
        read_states={
            row.thread_id: shown_read_state(row.summary.read)
            for row in page.rows
            if row.summary.read.revision
        },
        indexing=_indexing(services, connection),
    )


async def thread_search(
    services: Services, connection: Connection, params: s.ThreadSearchParams
) -> s.ThreadSearchResponse:
    """A page of threads with hits, newest first where the client does not say."""
    try:
        phrases = read_term(params.search_term)
    except InvalidTerm as error:
        raise invalid_params(str(error)) from error
    wanted = Wanted(archived=bool(params.archived), sources=_sources(params.source_kinds))
    key, kinds = _key(params.sort_key), params.kinds or ()
    limit, upwards = page_limit(params.limit), params.sort_direction == "asc"
    print_ = _print(wanted.print(key), params.search_term, *kinds)
    start = start_of(print_, params.cursor)
    found = await services.directory.index.read(
        lambda index: found_threads(
            index,
            phrases,
            wanted,
            key,
            kinds=kinds,
            upwards=upwards,
            start=start,
            limit=limit + 1,
        )
    )
    shown = found[:limit]
    rows = tuple(hit.row for hit in shown)
    following, backwards = cursors(print_, key, rows, upwards=upwards)
    return s.ThreadSearchResponse(
        tuple(_result(services, hit, hits=bool(params.hits)) for hit in shown),
        following if len(found) > limit else None,
        backwards,
        indexing=_indexing(services, connection),
    )


async def thread_search_occurrences(
    services: Services, connection: Connection, params: s.ThreadSearchOccurrencesParams
) -> s.ThreadSearchOccurrencesResponse:
    """A page of the matches of a text in a thread's messages, oldest first."""
    thread_id, term = thread_id_of(params.thread_id), params.search_term
    if not term.strip() or len(term) > TERM_CHARS_MAX:
        raise invalid_params(
            f"searchTerm: expected a text of 1 to {TERM_CHARS_MAX} characters, found {term[:80]!r}"
        )
    limit, print_ = page_limit(params.limit), _print(b"", thread_id, term)
    start = start_of(print_, params.cursor)
    found = await services.directory.occurrences(thread_id, term, start, limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return s.ThreadSearchOccurrencesResponse(
        tuple(_occurrence(occurrence) for occurrence in shown),
        write_cursor(print_, shown[-1].cursor) if more else None,
    )


def _indexing(services: Services, connection: Connection) -> Indexing | msgspec.UnsetType:
    wants = connection.reader.cursor
    return (services.directory.indexing if wants else None) or msgspec.UNSET


def _folders(params: t.ThreadListParams) -> tuple[str, ...] | None:
    """The folders that are asked for; None: all."""
    if params.cwd is None:
        return None
    return tuple(sorted({params.cwd} if isinstance(params.cwd, str) else set(params.cwd)))


async def _same_folders(
    services: Services, given: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """The folders by all names that threads have for them: names are compared without symlinks, as in Codex."""
    if given is None:
        return None
    known = await services.directory.folders()

    def named() -> set[str]:
        wanted = {os.path.realpath(folder) for folder in given if folder.startswith("/")}
        return wanted | {folder for folder in known if os.path.realpath(folder) in wanted}

    same = set(given)
    with suppress(NoAnswer, OSError, ValueError):  # Then each is meant by its own name alone.
        same |= await patiently("the folders of threads", named)
    return tuple(sorted(same))


def _wanted(params: t.ThreadListParams, cwds: tuple[str, ...] | None) -> Wanted:
    """Which threads a client asks for. Raises: RpcError."""
    excluded, included = params.excluded_thread_ids or (), params.included_thread_ids
    if params.parent_thread_id is not None and params.ancestor_thread_id is not None:
        raise invalid_params(
            "expected parentThreadId or ancestorThreadId, found both; nothing was listed"
        )
    related = (
        params.parent_thread_id,
        params.ancestor_thread_id,
        params.attached_to_thread_id,
        params.section_id,
        params.project_id,
    )
    return Wanted(
        archived=bool(params.archived),
        providers=tuple(sorted(params.model_providers or ())),
        cwds=cwds,
        term=params.search_term or "",
        # A thread that is meant by its name is meant whoever began it.
        sources=() if params.meant and not params.source_kinds else _sources(params.source_kinds),
        originators=tuple(sorted(params.originators or ())),
        excluded=_ids("excludedThreadIds", excluded),
        included=None if included is None else _ids("includedThreadIds", included),
        meant=params.meant or "",
        # codexd has no sections, projects or sub-agents: such a list is empty.
        nobody=any(relation is not None for relation in related),
    )


def _sources(kinds: Sequence[str] | None) -> tuple[str, ...]:
    """The kinds of sources that are asked for; where none are, those that people speak in, as in Codex."""
    return tuple(sorted(set(kinds))) if kinds else INTERACTIVE


def _ids(member: str, texts: Sequence[str]) -> tuple[ThreadId, ...]:
    if len(texts) > IDS_MAX:
        raise invalid_params(f"{member}: expected at most {IDS_MAX}, found {len(texts)}")
    try:
        return tuple(sorted(parse_thread_id(text) for text in texts))
    except InvalidId as error:
        raise invalid_params(f"{member}: {error}") from error


def _key(asked: str | None) -> SortKey:
    return "updated" if asked in ("updated_at", "recency_at") else "created"


def start_of(print_: bytes, cursor: str | None) -> ListCursor | None:
    """The position in a client's cursor. Raises: RpcError."""
    if cursor is None:
        return None
    try:
        return read_cursor(print_, cursor)
    except InvalidCursor as error:
        raise invalid_params(str(error)) from error


def _print(of_list: bytes, *words: str) -> bytes:
    return hashlib.sha256("\0".join((of_list.hex(), *words)).encode()).digest()[:8]


def cursors(
    print_: bytes, key: SortKey, rows: tuple[Row, ...], *, upwards: bool
) -> tuple[str | None, str | None]:
    """The cursors of the next page, and of a page in the other direction.

    The latter includes the threads with the same time as the first thread here: they may be new.
    """
    if not rows:
        return None, None
    beside = LAST_ID if upwards else FIRST_ID
    first = ListCursor(rows[0].cursor(key).key, beside)
    return write_cursor(print_, rows[-1].cursor(key)), write_cursor(print_, first)


def _shown(services: Services, row: Row) -> t.Thread:
    return heading(
        row.thread_id,
        row.summary,
        services.state_of(row.thread_id),
        row.path,
        reviewer_asks=services.hub.reviews.is_asking(row.thread_id),
        trouble=trouble_with(services, row),
    )


def trouble_with(services: Services, row: Row) -> Trouble | None:
    """The known trouble of a thread."""
    stopped = services.supervisor.stopped.get(row.thread_id)
    if stopped is None and row.damage is not None:
        return unreadable(row.thread_id, row.damage)
    return stopped


def _result(services: Services, found: FoundThread, *, hits: bool) -> s.ThreadSearchResult:
    thread = services.supervisor.loaded(found.row.thread_id)
    row = found.row
    if thread is not None:
        row = Row(row.thread_id, thread.summary, thread.path)
    visibility = Visibility(row.summary.reverts)
    # Reverted messages are found too, and come last.
    places = sorted(
        (_hit(hit, visibility) for hit in found.hits), key=lambda cursor: cursor.taken_back
    )
    snippet = places[0].snippet if places else ""
    if not hits:
        return s.ThreadSearchResult(_shown(services, row), snippet)
    return s.ThreadSearchResult(_shown(services, row), snippet, tuple(places))


def _hit(hit: Hit, visibility: Visibility) -> SearchHit:
    ranges = tuple(_range(hit.snippet, number) for number in range(len(hit.snippet.ranges)))
    kind: s.Kind = hit.kind  # type: ignore[assignment]  # KINDS are its words
    taken = hit.turn is not None and not visibility.counts(hit.begun or hit.seq)
    return SearchHit(hit.seq, kind, hit.turn, hit.item, hit.snippet.text, ranges, taken)


def _range(snippet: Snippet, number: int) -> TextRange:
    """A range in UTF-16 code units, as clients count."""
    start, end = snippet.ranges[number]
    before = len(snippet.text[:start].encode("utf-16-le")) // 2
    within = len(snippet.text[start:end].encode("utf-16-le")) // 2
    return TextRange(before, before + within)


def _occurrence(occurrence: Occurrence) -> s.ThreadSearchOccurrence:
    return s.ThreadSearchOccurrence(
        occurrence.item,
        occurrence.turn,
        occurrence.snippet.text,
        _range(occurrence.snippet, 0),
        pages.TurnCursor(occurrence.turn_seq, pages.INCLUSIVE).cursor(),
    )
