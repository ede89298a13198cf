"""The params and results of `thread/search` and `thread/searchOccurrences`.

Law: as in `protocol.threads`, Codex's members have their names, and codexd's are additions.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.protocol.codexd_methods import Indexing, SearchHit, TextRange
from codexd.protocol.threads import SortDirection, Thread
from codexd.protocol.wire.request_ids import RequestId

Kind = Literal["name", "prompt", "answer", "path", "command", "reasoning", "output"]


class ThreadSearchParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Search threads for a text."""

    search_term: str
    cursor: str | None = None
    limit: int | None = None
    archived: bool | None = None
    sort_key: Literal["created_at", "updated_at", "recency_at"] | None = None
    sort_direction: SortDirection | None = None
    source_kinds: tuple[str, ...] | None = None
    kinds: tuple[Kind, ...] | None = None  # codexd only: the kinds of text to search; null: all
    hits: bool | None = None  # codexd only: whether each thread comes with its matches


class ThreadSearchStreamParams(ThreadSearchParams, frozen=True, kw_only=True):
    """Search threads, and be told of results before all are found."""

    request_id: RequestId | None = None  # of the request itself, whatever a client sends here


class ThreadSearchCancelParams(msgspec.Struct, frozen=True, rename="camel"):
    """End a search of this connection."""

    request_id: RequestId


class ThreadSearchCancelResponse(msgspec.Struct, frozen=True):
    """Done, also where the search had ended."""


class ThreadSearchResult(msgspec.Struct, frozen=True, rename="camel"):
    """A thread, and the best text that matched."""

    thread: Thread
    snippet: str
    hits: tuple[SearchHit, ...] | msgspec.UnsetType = msgspec.UNSET


class ThreadSearchResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of threads."""

    data: tuple[ThreadSearchResult, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None
    indexing: Indexing | msgspec.UnsetType = msgspec.UNSET  # codexd only, as in thread/list


class ThreadSearchPartialNotification(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Some results of a search that goes on; its answer has them too."""

    request_id: RequestId
    data: tuple[ThreadSearchResult, ...]


class ThreadSearchOccurrencesParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Search the messages of one thread."""

    thread_id: str
    search_term: str
    cursor: str | None = None
    limit: int | None = None


class ThreadSearchOccurrence(msgspec.Struct, frozen=True, rename="camel"):
    """A match in a message."""

    item_id: str
    turn_id: str
    snippet: str
    snippet_match_range: TextRange
    turn_cursor: str  # `thread/turns/list` begins with this turn


class ThreadSearchOccurrencesResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of matches, in the order of the conversation."""

    data: tuple[ThreadSearchOccurrence, ...]
    next_cursor: str | None = None
