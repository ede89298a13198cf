"""Places in a trace (W3C Trace Context), derived from ids: a span has the same id wherever and whenever it is asked for.

Source: W3C Trace Context, level 1, section 3.2 "traceparent Header Field Values".
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class SpanPlace(msgspec.Struct, frozen=True):
    """A span's trace and its id within it, both in hex."""

    trace_id: str  # 32 digits
    span_id: str  # 16 digits

    @property
    def traceparent(self) -> str:
        """The value of the header; the span is recorded."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def read_traceparent(text: str | None) -> SpanPlace | None:
    """The place that a header names; None for a header that must be ignored."""
    found = _TRACEPARENT.fullmatch(text or "")
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return SpanPlace(found[1], found[2])


def turn_place(thread_id: str, turn_id: str, parent: SpanPlace | None) -> SpanPlace:
    """The span of a turn: in the trace of its caller, else in one of its own."""
    trace_id = parent.trace_id if parent is not None else _digest("trace", thread_id, turn_id)[:32]
    return SpanPlace(trace_id, _digest("turn", thread_id, turn_id)[:16])


def call_place(turn: SpanPlace, thread_id: str, call_id: str, attempt: int) -> SpanPlace:
    """The span of an attempt to ask a model."""
    return SpanPlace(turn.trace_id, _digest("call", thread_id, call_id, str(attempt))[:16])


def tool_place(turn: SpanPlace, thread_id: str, call_id: str) -> SpanPlace:
    """The span of a tool call."""
    return SpanPlace(turn.trace_id, _digest("tool", thread_id, call_id)[:16])


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
