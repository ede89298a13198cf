"""The summary of a thread up to a fork point, folded from the logs of its ancestors. Blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from codexd.core.events.events import InvalidEvent
from codexd.core.events.record import Recorded, decode_record
from codexd.projections.summary import TELLING_TYPES, Summary
from codexd_eventstore.event_log import Record, StreamEntry
from codexd_eventstore.log_reader import LogReader

# A chain of forks longer than this goes round in a circle.
ANCESTORS_MAX: Final = 1000


class Unreadable(Exception):
    """A log cannot be folded; says why."""


def decoded(record: Record) -> Recorded:
    """The record, read. Raises: Unreadable."""
    try:
        return decode_record(record.line)
    except InvalidEvent as error:
        raise Unreadable(str(error)) from error


def inherited(
    logs: LogReader, parent: str, seq: int, known: Callable[[str, int], Summary | None]
) -> Summary:
    """The summary of a stream up to a record, at which another stream was forked from it.

    `known(stream, seq)` is a stream's summary at a record, where it is known.

    Raises:
        Unreadable: an ancestor is gone, or cannot be read up to the fork point.
    """
    lineage: list[tuple[str, int]] = []  # youngest first
    stream: str | None = parent
    summary = None
    while stream is not None and seq > 0:
        if len(lineage) > ANCESTORS_MAX:
            raise Unreadable(f"it descends from itself, through {stream}")
        summary = known(stream, seq)
        if summary is not None:
            break
        lineage.append((stream, seq))
        with logs.opened(_found(logs, stream)) as opened:
            start = opened.start()
        if start.parent is not None:
            seq = min(seq, start.cursor.seq)
        stream = start.parent
    summary = summary or Summary()
    for stream, last in reversed(lineage):
        _fold(logs, stream, last, summary)
    return summary


def _found(logs: LogReader, stream: str) -> StreamEntry:
    found = logs.find(stream)
    if found is None:
        raise Unreadable(f"it was forked from {stream}, which is gone")
    return found


def _fold(logs: LogReader, stream: str, last: int, summary: Summary) -> None:
    with logs.opened(_found(logs, stream)) as opened:
        start = opened.start().cursor
        seq = start.seq
        for records, cursor in opened.pages(start):
            for record in records:
                if record.seq <= last and (record.type in TELLING_TYPES or record.seq == last):
                    summary.apply(decoded(record))
            seq = cursor.seq
            if seq >= last:
                return
    if seq < last:
        raise Unreadable(f"it was forked from {stream}, which does not read back to {last}")
