"""Methods that say what threads have used: by turn, by kind of request, in money; and what missed the cache."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.protocol.notifications import TokenUsageBreakdown

RequestKind = Literal["turn", "compact", "review", "title"]
Segment = Literal["provider", "model", "instructions", "tools", "history", "settings", "none"]


class UsageCounts(msgspec.Struct, frozen=True, rename="camel"):
    """What some requests used. Fresh, cached and written tokens are the input; reasoning is part of the output."""

    requests: int  # that were answered
    failed_requests: int  # attempts that were not: nobody knows what those cost
    unsaid_requests: int  # of the requests: those of which the provider said nothing
    unpriced_requests: int  # of the requests: those whose price is not known
    tokens: TokenUsageBreakdown
    fresh_input_tokens: int
    cost_usd: float | None  # of those with a price; null: none has one


class TurnUsage(msgspec.Struct, frozen=True, rename="camel"):
    """What a turn used for one kind of request; a turn with two kinds has two rows."""

    turn_id: str
    kind: RequestKind
    seq: int  # of the turn's first record
    started_at: int  # Unix seconds
    models: tuple[str, ...]
    used: UsageCounts


class CacheMiss(msgspec.Struct, frozen=True, rename="camel"):
    """A request that found much less in the provider's cache than the request before had sent."""

    turn_id: str | None
    seq: int | None  # of the record that says that it was sent
    at: int  # Unix seconds, when it was answered
    model: str
    input_tokens: int
    cached_tokens: int
    expected_tokens: int  # what the request before had sent, or all of this one where it is shorter
    segment: Segment  # the first that had changed
    why: str  # for people
    cause_seq: int | None  # the record that changed it
    item: int | None  # the first item of the history that differs, counted from 0


class PriceSource(msgspec.Struct, frozen=True, rename="camel"):
    """Where prices are from, those of config.toml apart."""

    as_of: str  # a day
    source: str


class ThreadUsageReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """What a thread has used."""

    thread_id: str
    turns: bool = True  # by turn too: its whole log is read for that
    misses: bool = False  # and what missed the cache


class ThreadUsageReadResponse(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a thread has used, without what it inherits from the thread that it was forked from."""

    thread_id: str
    total: UsageCounts
    kinds: tuple[KindUsage, ...]
    model_context_window: int | None
    context_tokens: int
    percent_left: int | None
    turns: tuple[TurnUsage, ...] | None = None  # oldest first; null: they were not asked for
    misses: tuple[CacheMiss, ...] | None = None
    # Beside the misses: requests of which the provider did not say what its cache had.
    unjudged_requests: int | None = None
    prices: PriceSource


class ThreadUsageListParams(msgspec.Struct, frozen=True, rename="camel"):
    """What threads have used, the one that was used last first."""

    days: int | None = None  # today and so many days less one before it, in UTC; null: ever
    archived: bool | None = False
    cursor: str | None = None
    limit: int | None = None


class KindUsage(msgspec.Struct, frozen=True, rename="camel"):
    """What one kind of request used."""

    kind: RequestKind
    used: UsageCounts


class ThreadUsage(msgspec.Struct, frozen=True, rename="camel"):
    """One thread of the list; without what it inherits."""

    thread_id: str
    name: str | None
    preview: str
    updated_at: int  # Unix seconds
    total: UsageCounts
    kinds: tuple[KindUsage, ...]


class ThreadUsageListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of threads; those that used nothing in those days are left out, so a page may be short."""

    data: tuple[ThreadUsage, ...]
    next_cursor: str | None
    prices: PriceSource
