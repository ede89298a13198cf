"""Measurements added up: counters and histograms by metric and attributes."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Final

import msgspec

from codexd.telemetry.signals.items import Measurement, Value
from codexd.telemetry.signals.measurements import METRICS

# Models, tools and kinds of errors make some hundred; more would be a tool whose name is new each time.
SERIES_MAX: Final = 2000

# A metric's name and its attributes, sorted.
Key = tuple[str, tuple[tuple[str, Value], ...]]
# The series of what would be too many (OpenTelemetry's "overflow attribute").
OVERFLOW: Final = (("otel.metric.overflow", True),)


class Total(msgspec.Struct, gc=False):
    """The sum of some values, and for a histogram how they are spread."""

    count: int = 0
    sum: float = 0.0
    min: float = float("inf")
    max: float = float("-inf")
    buckets: list[int] = []

    def add(self, value: float, bounds: tuple[float, ...]) -> None:
        self.count += 1
        self.sum += value
        self.min, self.max = min(self.min, value), max(self.max, value)
        if bounds:
            self.buckets = self.buckets or [0] * (len(bounds) + 1)
            self.buckets[bisect.bisect_left(bounds, value)] += 1

    def copied(self) -> Total:
        return Total(self.count, self.sum, self.min, self.max, list(self.buckets))


Totals = dict[Key, Total]


def added_up(before: Totals, measurements: Iterable[Measurement]) -> Totals:
    """The totals with some more values; `before` is left as it is."""
    totals = dict(before)
    own: set[Key] = set()
    for measured in measurements:
        key: Key = measured.metric, tuple(sorted(measured.attributes.items()))
        if key not in totals and len(totals) >= SERIES_MAX:
            key = measured.metric, OVERFLOW
        if key not in own:
            own.add(key)
            totals[key] = totals[key].copied() if key in totals else Total()
        totals[key].add(measured.value, METRICS[measured.metric].bounds)
    return totals
