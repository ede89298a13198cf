"""Reads a provider's usage object as counts of tokens.

The event has the provider's own object; reading it never raises.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Final

import msgspec
from msgspec.structs import astuple

# No request has as many tokens: what is larger is no count.
TOKENS_MAX: Final = 2**40

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


# A count as servers write it: a number, with a point or as a text.
_Count = int | float | str | None


class _Details(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None
    reasoning_tokens: _Count = None


class _Usage(msgspec.Struct, frozen=True, gc=False):
    # The Responses API
    input_tokens: _Count = None
    output_tokens: _Count = None
    input_tokens_details: msgspec.Raw = _ABSENT
    output_tokens_details: msgspec.Raw = _ABSENT
    # Chat completions, as OpenAI has them
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: msgspec.Raw = _ABSENT
    completion_tokens_details: msgspec.Raw = _ABSENT
    # Members of other providers
    prompt_cache_hit_tokens: _Count = None  # DeepSeek
    cached_tokens: _Count = None  # Moonshot
    # Anthropic, whose `input_tokens` are without these
    cache_read_input_tokens: _Count = None
    cache_creation_input_tokens: _Count = None
    total_tokens: _Count = None


_USAGE = msgspec.json.Decoder(_Usage)
_DETAILS = msgspec.json.Decoder(_Details)


def read_usage(usage: msgspec.Raw) -> Tokens | None:
    """A provider's usage object as token counts; None if it cannot be read."""
    counted = bytes(usage)
    return _known(counted) if len(counted) <= _KNOWN_BYTES_MAX else _tokens(counted)


# Each of several folds reads the newest: those of the threads that answer at the same time are remembered. An honest
# usage object has some 300 bytes.
_KNOWN_BYTES_MAX: Final = 4096


@lru_cache(maxsize=32)
def _known(usage: bytes) -> Tokens | None:
    return _tokens(usage)


def _tokens(usage: bytes) -> Tokens | None:
    raw = _read(usage)
    if raw is None:
        return None
    counted_in, counted_out = (
        _count(raw.input_tokens) or _count(raw.prompt_tokens),
        _count(raw.output_tokens) or _count(raw.completion_tokens),
    )
    of_input = _details(raw.input_tokens_details, raw.prompt_tokens_details)
    of_output = _details(raw.output_tokens_details, raw.completion_tokens_details)
    read, written = _count(raw.cache_read_input_tokens), _count(raw.cache_creation_input_tokens)
    tokens_in, tokens_out, total = counted_in or 0, counted_out or 0, _count(raw.total_tokens) or 0
    if raw.prompt_tokens is None:
        tokens_in += (read or 0) + (written or 0)
    reasoning = _count(of_output.reasoning_tokens) or 0
    if reasoning > tokens_out:  # It is a part of the output, if it is counted there.
        tokens_out += reasoning
    if total > tokens_in + tokens_out and counted_in is not None:
        # xAI and Gemini count reasoning in the total alone: it was put out.
        tokens_out = total - tokens_in
    elif total > tokens_in + tokens_out:
        tokens_in = total - tokens_out
    return Tokens(
        max(total, tokens_in + tokens_out),
        tokens_in,
        _cached(raw, of_input) or 0,
        _count(of_input.cache_write_tokens) or written or 0,
        tokens_out,
        reasoning,
    )


def counts_nothing(usage: msgspec.Raw) -> bool:
    """Whether a usage object has no tokens, or none that can be read."""
    tokens = read_usage(usage)
    return tokens is None or not tokens.total_tokens


def says_cached(usage: msgspec.Raw) -> bool:
    """Whether the provider reports its cache: 0 differs from no value."""
    raw = _read(bytes(usage))
    if raw is None:
        return False
    return _cached(raw, _details(raw.input_tokens_details, raw.prompt_tokens_details)) is not None


def _read(usage: bytes) -> _Usage | None:
    # The log keeps it unchanged; an unreadable count is no reason to fail a turn.
    if usage in (b"", b"null"):
        return None
    try:
        usage_read = _USAGE.decode(usage)
    except msgspec.MsgspecError:
        return None
    is_words = any(isinstance(given, str) and _count(given) is None for given in _sums(usage_read))
    return None if is_words else usage_read


def _sums(usage: _Usage) -> tuple[_Count, ...]:
    return (
        *(usage.input_tokens, usage.output_tokens, usage.total_tokens),
        *(usage.prompt_tokens, usage.completion_tokens),
    )


def _details(*given: msgspec.Raw) -> _Details:
    for details in given:
        try:
            return _DETAILS.decode(details)
        except msgspec.MsgspecError:
            continue  # Missing, null, or of another shape: the sums are useful without it.
    return _Details()


def _cached(raw: _Usage, of_input: _Details) -> int | None:
    for given in (
        of_input.cached_tokens,
        raw.prompt_cache_hit_tokens,
        raw.cached_tokens,
        raw.cache_read_input_tokens,
    ):
        if (count := _count(given)) is not None:
            return count
    return None


def _count(given: _Count) -> int | None:
    """A count of tokens; None for what is none."""
    if given is None:
        return None
    try:
        count = int(float(given))
    except (ValueError, OverflowError):
        return None
    return count if 0 <= count <= TOKENS_MAX else None
