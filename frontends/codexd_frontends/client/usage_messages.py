"""What frontends read of what threads have used: only the members that they show."""

from __future__ import annotations

import msgspec


class _Read(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    pass


class TokenCounts(_Read, frozen=True, kw_only=True):
    """Tokens by kind. The cached ones are part of the input, the reasoning ones of the output."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0

    def plus(self, other: TokenCounts) -> TokenCounts:
        """The sum."""
        return TokenCounts(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            cache_write_input_tokens=self.cache_write_input_tokens + other.cache_write_input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_output_tokens=self.reasoning_output_tokens + other.reasoning_output_tokens,
        )

    def minus(self, before: TokenCounts) -> TokenCounts:
        """What was used since."""
        return TokenCounts(
            input_tokens=self.input_tokens - before.input_tokens,
            cached_input_tokens=self.cached_input_tokens - before.cached_input_tokens,
            cache_write_input_tokens=self.cache_write_input_tokens
            - before.cache_write_input_tokens,
            output_tokens=self.output_tokens - before.output_tokens,
            reasoning_output_tokens=self.reasoning_output_tokens - before.reasoning_output_tokens,
        )


class TokenUsage(_Read, frozen=True, kw_only=True):
    """What a thread has used, and how full its window is."""

    total: TokenCounts = TokenCounts()
    percent_left: int | None = None


class UsageNote(_Read, frozen=True, kw_only=True):
    """thread/tokenUsage/updated."""

    token_usage: TokenUsage = TokenUsage()


class UsageCounts(_Read, frozen=True, kw_only=True):
    """What some requests used, and what that costs."""

    requests: int = 0
    failed_requests: int = 0
    unsaid_requests: int = 0
    unpriced_requests: int = 0
    tokens: TokenCounts = TokenCounts()
    fresh_input_tokens: int = 0
    cost_usd: float | None = None  # of what has a price

    def plus(self, other: UsageCounts) -> UsageCounts:
        """The sum; what is known of its cost is the cost of what has a price."""
        costs = [one.cost_usd for one in (self, other) if one.cost_usd is not None]
        return UsageCounts(
            requests=self.requests + other.requests,
            failed_requests=self.failed_requests + other.failed_requests,
            unsaid_requests=self.unsaid_requests + other.unsaid_requests,
            unpriced_requests=self.unpriced_requests + other.unpriced_requests,
            tokens=self.tokens.plus(other.tokens),
            fresh_input_tokens=self.fresh_input_tokens + other.fresh_input_tokens,
            cost_usd=sum(costs) if costs else None,
        )


class KindUsage(_Read, frozen=True, kw_only=True):
    """What one kind of request used."""

    kind: str
    used: UsageCounts


class TurnUsage(_Read, frozen=True, kw_only=True):
    """What one turn used for one kind of request."""

    turn_id: str
    kind: str
    started_at: int = 0
    models: tuple[str, ...] = ()
    used: UsageCounts = UsageCounts()


class CacheMiss(_Read, frozen=True, kw_only=True):
    """A request that found less in the provider's cache than it might have."""

    turn_id: str | None = None
    seq: int | None = None
    at: int = 0
    model: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    expected_tokens: int = 0
    segment: str = ""
    why: str = ""
    cause_seq: int | None = None
    item: int | None = None


class PriceSource(_Read, frozen=True, kw_only=True):
    """Where prices are from."""

    as_of: str = ""
    source: str = ""


class ThreadUsageAnswer(_Read, frozen=True, kw_only=True):
    """The answer to thread/usage/read."""

    thread_id: str
    total: UsageCounts
    model_context_window: int | None = None
    context_tokens: int = 0
    percent_left: int | None = None
    turns: tuple[TurnUsage, ...] | None = None
    misses: tuple[CacheMiss, ...] | None = None
    unjudged_requests: int | None = None
    prices: PriceSource = PriceSource()


class ThreadUsage(_Read, frozen=True, kw_only=True):
    """One thread of a list."""

    thread_id: str
    name: str | None = None
    preview: str = ""
    updated_at: int = 0
    total: UsageCounts = UsageCounts()
    kinds: tuple[KindUsage, ...] = ()


class UsagePage(_Read, frozen=True, kw_only=True):
    """The answer to thread/usage/list, its threads as they came."""

    data: tuple[msgspec.Raw, ...]
    next_cursor: str | None = None
    prices: PriceSource = PriceSource()
