"""The contract of reading logs without owning their store: in a thread or another process, while they grow. Blocks.

Law: only whole records of whole appends are given, and each is checked; the bytes after these are an unfinished line
or damage, and `damage` says which. Everything here raises OSError.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final, Protocol

import msgspec

from codexd_eventstore.event_log import Record, StreamEntry

# Between a log's name and its first record lies one write. Until then a log without a record is none.
BORN_SECONDS_MAX: Final = 60


class LogCursor(msgspec.Struct, frozen=True, gc=False):
    """A reader's position in a stream's own records."""

    seq: int
    offset: int  # the bytes of the log before the next record: `size_bytes` of it where it is read to its end
    crc: int  # the checksum that the next record's continues from


class LogStart(msgspec.Struct, frozen=True):
    """How a log begins."""

    cursor: LogCursor  # before its own first record
    parent: str | None = None  # the stream that it was forked from, at the cursor's `seq`
    is_broken: bool = False  # it cannot be read: what follows means nothing


class OpenedLog(Protocol):
    """One log while it is read."""

    def start(self) -> LogStart:
        """How it begins."""

    def agrees(self, cursor: LogCursor) -> bool:
        """Whether a reader may go on there: the record before is still the same."""

    def pages(self, cursor: LogCursor) -> Iterator[tuple[list[Record], LogCursor]]:
        """Its own records after a cursor in bounded pages, each with the cursor after it."""


class LogReader(Protocol):
    """The logs of one store."""

    def find(self, stream: str) -> StreamEntry | None:
        """A stream's log as it is now."""

    def streams(self) -> Iterator[StreamEntry]:
        """Every log, in no particular order, and anything else in the place of a log."""

    def newest(self, count: int) -> list[str]:
        """At least `count` of the newest streams, if there are as many, newest first."""

    def opened(self, log: StreamEntry) -> AbstractContextManager[OpenedLog]:
        """Read a log for as long as the context lasts."""

    def damage(self, log: StreamEntry) -> str | None:
        """Why a log does not read to its end; None where its tail is only unfinished."""

    def blob(self, sha256: str, size: int) -> bytes:
        """The first bytes of a blob; none where it is gone."""


def is_old(log: StreamEntry) -> bool:
    """Whether a log is old enough that its first record should be there."""
    return time.time() * 1e6 - log.modified_us > BORN_SECONDS_MAX * 1e6
