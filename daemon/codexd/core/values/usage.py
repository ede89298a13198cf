"""Reads a provider's usage object as counts of tokens.

The event has the provider's own object; reading it never raises.
"""

from __future__ import annotations

import operator

import msgspec
from msgspec.structs import astuple

_ABSENT = msgspec.Raw(b"")


class Tokens(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A count of tokens, as the wire's `TokenUsageBreakdown`."""

    total_tokens: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0

    def plus(self, other: Tokens) -> Tokens:
        return Tokens(*map(operator.add, astuple(self), astuple(other)))


class _Details(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True, gc=False):
    # The Responses API
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: msgspec.Raw = _ABSENT
    output_tokens_details: msgspec.Raw = _ABSENT
    # Chat completions, as OpenAI has them
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: msgspec.Raw = _ABSENT
    completion_tokens_details: msgspec.Raw = _ABSENT
    # Members of other providers
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cached_tokens: int | None = None  # Moonshot
    total_tokens: int | None = None


_USAGE = msgspec.json.Decoder(_Usage)
_DETAILS = msgspec.json.Decoder(_Details)


def read_usage(usage: msgspec.Raw) -> Tokens | None:
    """A provider's usage object as token counts; None if it cannot be read."""
    raw = _read(usage)
    if raw is None:
        return None
    tokens_in = raw.input_tokens or raw.prompt_tokens or 0
    tokens_out = raw.output_tokens or raw.completion_tokens or 0
    of_input = _details(raw.input_tokens_details, raw.prompt_tokens_details)
    of_output = _details(raw.output_tokens_details, raw.completion_tokens_details)
    if raw.total_tokens is not None and raw.prompt_tokens is not None:
        # xAI and Gemini count reasoning in the total alone: it was put out.
        tokens_out = max(tokens_out, raw.total_tokens - tokens_in)
    return Tokens(
        raw.total_tokens if raw.total_tokens is not None else tokens_in + tokens_out,
        tokens_in,
        _cached(raw, of_input) or 0,
        of_input.cache_write_tokens or 0,
        tokens_out,
        of_output.reasoning_tokens or 0,
    )


def says_cached(usage: msgspec.Raw) -> bool:
    """Whether the provider reports its cache: 0 differs from no value."""
    raw = _read(usage)
    if raw is None:
        return False
    return _cached(raw, _details(raw.input_tokens_details, raw.prompt_tokens_details)) is not None


def _read(usage: msgspec.Raw) -> _Usage | None:
    # The log keeps it unchanged; an unreadable count is no reason to fail a turn.
    counted = bytes(usage)
    if counted in (b"", b"null"):
        return None
    try:
        return _USAGE.decode(counted)
    except msgspec.MsgspecError:
        return None


def _details(*given: msgspec.Raw) -> _Details:
    for details in given:
        try:
            return _DETAILS.decode(details)
        except msgspec.MsgspecError:
            continue  # Missing, null, or of another shape: the sums are useful without it.
    return _Details()


def _cached(raw: _Usage, of_input: _Details) -> int | None:
    counts = (of_input.cached_tokens, raw.prompt_cache_hit_tokens, raw.cached_tokens)
    return next((count for count in counts if count is not None), None)
