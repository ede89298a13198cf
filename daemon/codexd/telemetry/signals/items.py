"""What is sent: log events, spans and measurements. Plain values, without a library of OpenTelemetry's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from codexd.core.values.trace import SpanPlace

Value = str | bool | int | float
Attributes = Mapping[str, Value]


class LogEvent(msgspec.Struct, frozen=True, gc=False):
    """One log record."""

    name: str
    at_ms: int  # Unix
    uid: str  # the same whenever this event is sent
    attributes: Attributes
    place: SpanPlace | None = None  # the span that it happened in


class Span(msgspec.Struct, frozen=True, gc=False):
    """One span that has ended."""

    name: str
    kind: Literal["internal", "client"]
    place: SpanPlace
    parent: str | None  # a span id
    start_ms: int
    end_ms: int
    attributes: Attributes
    error: str | None = None  # why it failed


class Measurement(msgspec.Struct, frozen=True, gc=False):
    """One value of a metric: a histogram's, or what a counter grew by."""

    metric: str
    value: float
    attributes: Attributes


Item = LogEvent | Span | Measurement
Signal = Literal["logs", "traces", "metrics"]
SIGNALS: tuple[Signal, ...] = ("logs", "traces", "metrics")
