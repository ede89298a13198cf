"""Methods for the usage of threads: by turn, by kind of request, in money; and requests that missed the cache.

Frontends of any version read the answers: a member that is added later has a default, and an enumeration that
may grow is a `str`.
"""

from __future__ import annotations

import msgspec


class TokenUsageBreakdown(msgspec.Struct, frozen=True, rename="camel"):
    """Tokens by kind. Cached tokens are part of the input, reasoning tokens of the output."""

    total_tokens: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class ThreadTokenUsage(msgspec.Struct, frozen=True, rename="camel"):
    """The tokens of a thread: of all its responses, and of the last.

    After a compaction `last` has only an estimated total of the new history, until the next response.
    """

    total: TokenUsageBreakdown = TokenUsageBreakdown()
    last: TokenUsageBreakdown = TokenUsageBreakdown()
    model_context_window: int | None = None  # the usable part, in tokens; null: unknown
    context_tokens: int | None = None  # the size of the next request, as far as it is known
    percent_left: int | None = None  # of the window


class UsageCounts(msgspec.Struct, frozen=True, rename="camel"):
    """The usage of some requests. Fresh, cached and written tokens are the input; reasoning is part of the output."""

    requests: int = 0  # answered requests
    failed_requests: int = 0  # failed attempts, whose cost is unknown
    unsaid_requests: int = 0  # of the requests: those without usage from the provider
    unpriced_requests: int = 0  # of the requests: those without a known price
    tokens: TokenUsageBreakdown = TokenUsageBreakdown()
    fresh_input_tokens: int = 0
    cost_usd: float | None = None  # of the requests with a known price; null: there are none


class KindUsage(msgspec.Struct, frozen=True, rename="camel"):
    """The usage of one kind of request."""

    kind: str  # turn, compact, review or title
    used: UsageCounts


class TurnUsage(msgspec.Struct, frozen=True, rename="camel"):
    """The usage of a turn for one kind of request; a turn with two kinds has two rows."""

    turn_id: str
    kind: str  # turn, compact, review or title
    seq: int = 0  # of the turn's first record
    started_at: int = 0  # Unix seconds
    models: tuple[str, ...] = ()
    used: UsageCounts = UsageCounts()


class CacheMiss(msgspec.Struct, frozen=True, rename="camel"):
    """A request that found much less in the provider's cache than the request before had sent."""

    turn_id: str | None = None
    seq: int | None = None  # of the record of the request
    at: int = 0  # Unix seconds, when it was answered
    model: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    expected_tokens: int = 0  # tokens of the request before, or of this request if it is shorter
    segment: str = ""  # the first part that had changed: provider, model, instructions, tools, history, settings, none
    why: str = ""  # for people
    cause_seq: int | None = None  # the record that changed it
    item: int | None = None  # the first item of the history that differs, counted from 0


class PriceSource(msgspec.Struct, frozen=True, rename="camel"):
    """The source of the prices, except those of config.toml."""

    as_of: str = ""  # a day
    source: str = ""


class ThreadUsageReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read the usage of a thread."""

    thread_id: str
    turns: bool = True  # by turn too, for which the whole log is read
    misses: bool = False  # and the requests that missed the cache


class ThreadUsageReadResponse(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The usage of a thread, without the usage that it shares with its parent."""

    thread_id: str
    total: UsageCounts = UsageCounts()
    kinds: tuple[KindUsage, ...] = ()
    model_context_window: int | None = None
    context_tokens: int = 0
    percent_left: int | None = None
    turns: tuple[TurnUsage, ...] | None = None  # oldest first; null: not requested
    misses: tuple[CacheMiss, ...] | None = None
    # Requests for which the provider did not report its cache; they are not among the misses.
    unjudged_requests: int | None = None
    prices: PriceSource = PriceSource()


class ThreadUsageListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List the usage of threads, the most recently used thread first."""

    days: int | None = None  # the last N days including today, in UTC; null: all
    archived: bool | None = False
    cursor: str | None = None
    limit: int | None = None


class ThreadUsage(msgspec.Struct, frozen=True, rename="camel"):
    """A thread of the list, without the usage that it shares with its parent."""

    thread_id: str
    name: str | None = None
    preview: str = ""
    updated_at: int = 0  # Unix seconds
    total: UsageCounts = UsageCounts()
    kinds: tuple[KindUsage, ...] = ()


class ThreadUsageListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of threads; threads without usage in those days are left out, so a page may be short."""

    data: tuple[ThreadUsage, ...]
    next_cursor: str | None
    prices: PriceSource
