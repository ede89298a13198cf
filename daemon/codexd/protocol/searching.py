"""Searching on the wire: what `thread/search` and `thread/searchOccurrences` take and give.

The law is that of `protocol.threads`: the original's members under their names, ours beside them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.protocol.codexd_methods import Indexing, SearchHit, TextRange
from codexd.protocol.threads import SortDirection, Thread

Kind = Literal["name", "prompt", "answer", "path", "command", "reasoning", "output"]


class ThreadSearchParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What to look for, in which threads."""

    search_term: str
    cursor: str | None = None
    limit: int | None = None
    archived: bool | None = None
    sort_key: Literal["created_at", "updated_at", "recency_at"] | None = None
    sort_direction: SortDirection | None = None
    source_kinds: tuple[str, ...] | None = None
    kinds: tuple[Kind, ...] | None = None  # codexd only: what it may stand in; none: anything
    hits: bool | None = None  # codexd only: whether each thread comes with the places in it


class ThreadSearchResult(msgspec.Struct, frozen=True, rename="camel"):
    """A thread, and the most telling text in which it was found."""

    thread: Thread
    snippet: str
    hits: tuple[SearchHit, ...] | msgspec.UnsetType = msgspec.UNSET


class ThreadSearchResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of threads."""

    data: tuple[ThreadSearchResult, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None
    indexing: Indexing | msgspec.UnsetType = msgspec.UNSET  # codexd only, as in thread/list


class ThreadSearchOccurrencesParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What to look for in the messages of one thread."""

    thread_id: str
    search_term: str
    cursor: str | None = None
    limit: int | None = None


class ThreadSearchOccurrence(msgspec.Struct, frozen=True, rename="camel"):
    """One place in a message."""

    item_id: str
    turn_id: str
    snippet: str
    snippet_match_range: TextRange
    turn_cursor: str  # `thread/turns/list` begins with this turn


class ThreadSearchOccurrencesResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of places, in the order of the conversation."""

    data: tuple[ThreadSearchOccurrence, ...]
    next_cursor: str | None = None
