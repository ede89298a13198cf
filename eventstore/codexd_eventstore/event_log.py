"""The contract of an event log: streams of records, appended at an expected version, read from any position.

A **stream** is a named list of **records**, numbered by `seq` from 1 without a gap. Its **version** is the
`seq` of its last record, 0 for a stream that does not exist. Nine methods are all that an engine needs in
order to be a log; what only a local engine has is in `store.py`.

What every engine promises, tested by `tests/eventstore/test_every_engine.py`:

- `append` writes all of its events or none, and only at the version that the caller expects.
- A durable append has returned only when the disk has it; so has everything appended before it.
- An append that is not durable has reached the kernel when it returns: it survives the death of the
  process, and the death of the machine once the next durable append or `SYNC_INTERVAL_MS` has passed.
- A record once read is never changed, renumbered or skipped.

The errors, by whose fault it is:

    StoreError
    ├── Conflict        the asker's: the stream is at another version than expected
    ├── NotFound        the asker's: no such stream, draft or blob
    ├── Exists          the asker's: a stream of that name is already there
    ├── Refused         the asker's: the name, size or state of the stream forbids it
    ├── Damaged         the disk's: a log does not read back as it was written
    ├── Locked          the world's: another process owns this store
    └── StoreFailed     the world's: no space, no permission, an I/O error; says whether to retry
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from codexd_eventstore.line_start import type_of

# A record longer than this is refused: what is larger belongs into a blob.
RECORD_BYTES_MAX = 16 * 1024 * 1024
# How long a record that is not durable may wait for the disk: a person does not notice it.
SYNC_INTERVAL_MS = 20
# One page of `read`: bounds what a reader holds in memory at a time.
PAGE_RECORDS_MAX = 1024
# A page ends with the record that makes it this long: most pages are shorter, with any number of records.
PAGE_BYTES_MAX = 4 * 1024 * 1024


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event to be appended."""

    type: str  # dotted, past tense: "order.shipped"
    data: bytes  # one JSON object, encoded
    v: int = 1  # the version of the shape of `data`
    members: bytes = b""  # further members of the record, encoded, without braces: b'"by":"ann"'
    foreign: bool = False  # it was not made here, and gets no seal


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as it is in the log."""

    seq: int
    line: bytes  # the whole JSON object, its crc included, without the newline

    @property
    def type(self) -> str:
        """Read from the line each time: most readers of a log never need it."""
        return type_of(self.seq, self.line)


class Appended(msgspec.Struct, frozen=True):
    """Where an append went."""

    first: int
    last: int  # the stream's version after it
    records: tuple[Record, ...] = ()
    repeated: bool = False  # the key was known: nothing was written now, this is the first answer
    redacted: bool = False  # something in them was replaced before it was written


class Head(msgspec.Struct, frozen=True):
    """The facts about a stream that need no reading."""

    stream: str
    version: int
    archived: bool = False  # where it lies
    parent: str | None = None  # the stream that it was forked from
    parent_seq: int = 0  # the last record that it shares with its parent
    path: str | None = None  # the file that holds it, for engines that have files
    repaired: str | None = None  # what a torn tail lost when it was opened, as a sentence


class StreamEntry(msgspec.Struct, frozen=True):
    """One row of `streams()`: what listing costs nothing to know."""

    stream: str
    archived: bool
    size_bytes: int
    modified_us: int  # microseconds since 1970, by the file system's clock
    path: str | None = None  # the file that holds it, for engines that have files


class StoreError(Exception):
    """Something could not be stored or read; the subclass says whose fault it is."""


class Conflict(StoreError):
    """The stream is not at the version that the writer expected."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(
            f"stream {stream}: expected version {expected}, found {actual}: nothing was appended"
        )
        self.stream, self.expected, self.actual = stream, expected, actual


class NotFound(StoreError):
    """There is no such stream, draft or blob."""


class Exists(StoreError):
    """A stream of that name is already there."""


class Refused(StoreError):
    """The request cannot be met: a bad name, too large a record, an archived stream, children."""


class Damaged(StoreError):
    """A log does not read back as it was written; it was left as it is."""


class Locked(StoreError):
    """Another process owns this store."""


class StoreFailed(StoreError):
    """The disk or the system refused; `retry` says whether the same append may be tried again.

    `is_full`: it has no space; else, where it may be tried again, something else that passes is lacking.
    """

    def __init__(self, message: str, *, retry: bool, is_full: bool = False) -> None:
        super().__init__(message)
        self.retry, self.is_full = retry, is_full


class Subscription(Protocol):
    """A catch-up subscription: first what was, then what comes, one loop and no seam."""

    @property
    def position(self) -> int:
        """The `seq` of the last record received."""

    async def receive(self) -> Sequence[Record]:
        """The next records in order, at least one; waits until there is one.

        Raises:
            NotFound: the stream was deleted.
            StoreFailed: it cannot be read any more.
        """


class Changes(Protocol):
    """Which streams have changed: a hint where to look, never a position."""

    async def receive(self) -> frozenset[str]:
        """The streams that were appended to, made, moved, rewritten or removed since the last call.

        Waits until there is one. A stream that changed often is named once, and nothing is missed:
        a caller that looks after this returns sees the change.
        """


class EventLog(Protocol):
    """Streams of records, for readers, writers and followers, on any engine."""

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int,
        at_us: int,
        durable: bool,
        key: str | None = None,
    ) -> Appended:
        """Append all events or none. A stream comes to be by its first append, at version 0.

        Args:
            at_us: the time to record, microseconds since 1970 UTC; an earlier one than the last
                record's is recorded as the last record's, so that time never runs back in a stream.
            durable: whether to return only once the disk has it.
            key: idempotency key; one that the stream has seen gets the first answer again.

        Raises:
            Conflict, NotFound (expected_version > 0), Refused, Damaged, StoreFailed.
        """

    async def read(
        self, stream: str, *, after: int = 0, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records after `after`, oldest first, a forked stream's inherited ones included.

        At least one, if there are, and at most `limit` or `PAGE_RECORDS_MAX`; fewer than that where they have
        `PAGE_BYTES_MAX` bytes. Only an empty page says that there are no more. Raises: NotFound, Damaged, StoreFailed.
        """

    async def read_back(
        self, stream: str, *, before: int | None = None, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records before `before` (None: from the end), newest first; bounded in the same way."""

    def subscribe(self, stream: str, *, after: int = 0) -> AbstractContextManager[Subscription]:
        """Follow a stream from a position for as long as the context lasts."""

    async def head(self, stream: str) -> Head:
        """Open the stream, repair a torn tail, and return its head. Raises: NotFound, Damaged."""

    async def fork(
        self, parent: str, at_seq: int, child: str, events: Sequence[NewEvent], *, at_us: int
    ) -> Appended:
        """Make `child` share the records of `parent` up to `at_seq`, by reference, and append to it.

        The first event's record also names parent and `at_seq`. Durable. Costs the same however
        long the parent is.

        Raises:
            NotFound, Exists, Refused (at_seq beyond the end or within an append), StoreFailed.
        """

    async def find_key(self, stream: str, key: str) -> tuple[int, int] | None:
        """The first and last `seq` of the append that an idempotency key was given with."""

    async def streams(self, *, archived: bool = False) -> list[StreamEntry]:
        """All streams, or all archived ones, in no particular order."""

    def changes(self) -> AbstractContextManager[Changes]:
        """Hear which streams change, for as long as the context lasts."""
