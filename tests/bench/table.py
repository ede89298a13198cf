"""Rows of a measurement: a figure, what it is measured against in the same run, and what is asked of the two."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One line of the table. Nothing is asserted: whoever reads it judges."""

    what: str
    measured: str
    reference: str  # what stands beside it in the same run
    found: str  # the ratio, or the added time
    asked: str
    holds: bool | None  # None where nothing is asked


class Table:
    """The rows so far, each printed as it comes."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(
        self,
        what: str,
        measured: str,
        reference: str = "",
        *,
        found: str = "",
        asked: str = "",
        holds: bool | None = None,
    ) -> None:
        """Add a row and print it."""
        row = Row(what, measured, reference, found, asked, holds)
        self.rows.append(row)
        verdict = {True: "holds", False: "SHORT", None: ""}[holds]
        sys.stdout.write(
            f"{what:52.52} {measured:>16} {reference:>28} {found:>12} {asked:>12} {verdict}\n"
        )
        sys.stdout.flush()

    def markdown(self) -> str:
        """The same as a table of a page."""
        lines = [
            "| | measured | beside it | found | asked | |",
            "|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            verdict = {True: "holds", False: "short", None: ""}[row.holds]
            cells = (row.what, row.measured, row.reference, row.found, row.asked, verdict)
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)


def clocked(call: Callable[[], object]) -> float:
    """How long a call takes, in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def at_median(call: Callable[[], object], rounds: int) -> float:
    """The median of a call, in seconds."""
    return median([clocked(call) for _ in range(rounds)])


def us(seconds: float) -> str:
    """A short time, for a cell."""
    return f"{seconds * 1e6:,.1f} µs" if seconds < 0.001 else f"{seconds * 1e3:,.2f} ms"


def rate(count: float, seconds: float) -> str:
    """So many a second, for a cell."""
    return f"{count / seconds:,.0f}/s"
