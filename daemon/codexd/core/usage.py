"""What a provider says that a response used, as counts of tokens.

The event keeps the provider's own object; this reads it, and never refuses one. The Responses API counts
`input_tokens` and `output_tokens`, chat completions `prompt_tokens` and `completion_tokens`; what of the
input came out of a cache has a name of its own with DeepSeek and Moonshot.
"""

from __future__ import annotations

import msgspec

from codexd.core.events import given


class Tokens(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A count of tokens, as the wire's `TokenUsageBreakdown`."""

    total_tokens: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0

    def plus(self, other: Tokens) -> Tokens:
        """The sum, member by member."""
        return Tokens(
            self.total_tokens + other.total_tokens,
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.cache_write_input_tokens + other.cache_write_input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_output_tokens + other.reasoning_output_tokens,
        )


class _InputDetails(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int | None = 0
    cache_write_tokens: int | None = 0


class _OutputDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = 0


class _Usage(msgspec.Struct, frozen=True, gc=False):
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    total_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = 0  # DeepSeek
    cached_tokens: int | None = 0  # Moonshot


_USAGE = msgspec.json.Decoder(_Usage)


def read_usage(usage: msgspec.Raw) -> Tokens | None:
    """A provider's usage object as token counts; None where there is none that can be read."""
    counted = given(usage)
    if counted is None:
        return None
    try:
        raw = _USAGE.decode(counted)
    except msgspec.MsgspecError:
        # It stays in the log as it came; a count that nobody can read is not a reason to fail a turn.
        return None
    cached = raw.input_tokens_details or raw.prompt_tokens_details or _InputDetails()
    reasoning = raw.output_tokens_details or raw.completion_tokens_details or _OutputDetails()
    tokens_in = raw.input_tokens or raw.prompt_tokens or 0
    tokens_out = raw.output_tokens or raw.completion_tokens or 0
    return Tokens(
        raw.total_tokens if raw.total_tokens is not None else tokens_in + tokens_out,
        tokens_in,
        cached.cached_tokens or raw.prompt_cache_hit_tokens or raw.cached_tokens or 0,
        cached.cache_write_tokens or 0,
        tokens_out,
        reasoning.reasoning_tokens or 0,
    )
