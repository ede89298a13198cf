"""Methods that say what threads have used: by turn, by kind of request, in money; and what missed the cache.

Frontends of any version read the answers: what may be added later has a default, and a word that may get more
values is a `str`.
"""

from __future__ import annotations

import msgspec


class TokenUsageBreakdown(msgspec.Struct, frozen=True, rename="camel"):
    """Tokens by kind. The cached ones are part of the input, the reasoning ones of the output."""

    total_tokens: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class ThreadTokenUsage(msgspec.Struct, frozen=True, rename="camel"):
    """What a thread has used: in all its responses, and in the last one.

    After a compaction `last` is an estimate of the new history, its total alone, until a response says more.
    """

    total: TokenUsageBreakdown = TokenUsageBreakdown()
    last: TokenUsageBreakdown = TokenUsageBreakdown()
    model_context_window: int | None = None  # what a conversation may fill of it; null: not known
    context_tokens: int | None = None  # what the next request comes to, as far as is known
    percent_left: int | None = None  # of the window


class UsageCounts(msgspec.Struct, frozen=True, rename="camel"):
    """What some requests used. Fresh, cached and written tokens are the input; reasoning is part of the output."""

    requests: int = 0  # that were answered
    failed_requests: int = 0  # attempts that were not: nobody knows what those cost
    unsaid_requests: int = 0  # of the requests: those of which the provider said nothing
    unpriced_requests: int = 0  # of the requests: those whose price is not known
    tokens: TokenUsageBreakdown = TokenUsageBreakdown()
    fresh_input_tokens: int = 0
    cost_usd: float | None = None  # of those with a price; null: none has one


class KindUsage(msgspec.Struct, frozen=True, rename="camel"):
    """What one kind of request used."""

    kind: str  # turn, compact, review or title
    used: UsageCounts


class TurnUsage(msgspec.Struct, frozen=True, rename="camel"):
    """What a turn used for one kind of request; a turn with two kinds has two rows."""

    turn_id: str
    kind: str  # turn, compact, review or title
    seq: int = 0  # of the turn's first record
    started_at: int = 0  # Unix seconds
    models: tuple[str, ...] = ()
    used: UsageCounts = UsageCounts()


class CacheMiss(msgspec.Struct, frozen=True, rename="camel"):
    """A request that found much less in the provider's cache than the request before had sent."""

    turn_id: str | None = None
    seq: int | None = None  # of the record that says that it was sent
    at: int = 0  # Unix seconds, when it was answered
    model: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    expected_tokens: int = (
        0  # what the request before had sent; all of this one where it is shorter
    )
    segment: str = ""  # the first that had changed: provider, model, instructions, tools, history, settings, none
    why: str = ""  # for people
    cause_seq: int | None = None  # the record that changed it
    item: int | None = None  # the first item of the history that differs, counted from 0


class PriceSource(msgspec.Struct, frozen=True, rename="camel"):
    """Where prices are from, those of config.toml apart."""

    as_of: str = ""  # a day
    source: str = ""


class ThreadUsageReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """What a thread has used."""

    thread_id: str
    turns: bool = True  # by turn too: its whole log is read for that
    misses: bool = False  # and what missed the cache


class ThreadUsageReadResponse(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a thread has used, without what it inherits from the thread that it was forked from."""

    thread_id: str
    total: UsageCounts = UsageCounts()
    kinds: tuple[KindUsage, ...] = ()
    model_context_window: int | None = None
    context_tokens: int = 0
    percent_left: int | None = None
    turns: tuple[TurnUsage, ...] | None = None  # oldest first; null: they were not asked for
    misses: tuple[CacheMiss, ...] | None = None
    # Beside the misses: requests of which the provider did not say what its cache had.
    unjudged_requests: int | None = None
    prices: PriceSource = PriceSource()


class ThreadUsageListParams(msgspec.Struct, frozen=True, rename="camel"):
    """What threads have used, the one that was used last first."""

    days: int | None = None  # today and so many days less one before it, in UTC; null: ever
    archived: bool | None = False
    cursor: str | None = None
    limit: int | None = None


class ThreadUsage(msgspec.Struct, frozen=True, rename="camel"):
    """One thread of the list; without what it inherits."""

    thread_id: str
    name: str | None = None
    preview: str = ""
    updated_at: int = 0  # Unix seconds
    total: UsageCounts = UsageCounts()
    kinds: tuple[KindUsage, ...] = ()


class ThreadUsageListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of threads; those that used nothing in those days are left out, so a page may be short."""

    data: tuple[ThreadUsage, ...]
    next_cursor: str | None
    prices: PriceSource
