"""One open stream: the accepted records, the visible records, and the newest records in memory.

Law: a record becomes visible only when it is as durable as its append asked for, and visible records stay visible.
`accepted` is ahead of `version` while the committer is writing; if a write fails, it falls back to `version`.
While a batch is in flight, a thread of the committer may take the filling batch at any time, so code that needs
both reads `filling` first. Nothing here touches a file.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

import trio

from codexd_eventstore.disk.files import FileState
from codexd_eventstore.format.lines import Origin, crc_of
from codexd_eventstore.format.offsets import LogOffset, OffsetIndex
from codexd_eventstore.format.preface import Start
from codexd_eventstore.log.keys import Keys
from codexd_eventstore.sidecar.rows import OpenHint
from codexd_eventstore.store import Appended, Record, StoreFailed

# The newest records of an open stream, shared by followers; a follower that lags reads the file.
RING_BYTES_MAX: Final = 256 * 1024
# How much a log grows between two writes of its open hint: how much is read again after a crash.
NOTED_BYTES: Final = 1024 * 1024
# How much is always read again at opening, so that the newest records are always checked.
REREAD_BYTES: Final = 64 * 1024
# The beginning of a file identifies it: the first line's number, time, type and a part of its data.
HEAD_BYTES: Final = 256


class Ring:
    """The newest records of a stream, up to `RING_BYTES_MAX`."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._bytes = 0

    @property
    def first(self) -> int | None:
        """The oldest `seq` that is here."""
        return self._records[0].seq if self._records else None

    def extend(self, records: Sequence[Record], size: int) -> None:
        """Add the next records, which have `size` bytes with their newlines.

        Over the bound, the older half is dropped at once, so that the cost is amortised.
        """
        self._records.extend(records)
        self._bytes += size
        if self._bytes > RING_BYTES_MAX:
            kept, first = 0, len(self._records)
            while kept + len(self._records[first - 1].line) < RING_BYTES_MAX // 2:
                first -= 1
                kept += len(self._records[first].line) + 1
            self._records, self._bytes = self._records[first:], kept

    def range(self, first: int, last: int) -> list[Record] | None:
        """The records from `first` to `last`; None if they are not all here."""
        if not self._records or first < self._records[0].seq:
            return None
        start = first - self._records[0].seq
        return self._records[start : start + last - first + 1]


class WriteBatch:
    """Records that are written together, and the tasks that wait for them."""

    __slots__ = ("at_us", "done", "durable", "error", "keys", "pieces", "records", "size")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.pieces: list[bytes] = []  # the bytes for the file
        self.at_us = 0
        self.keys: dict[str, tuple[int, int]] = {}
        self.size = 0
        self.durable = False
        self.done = trio.Event()
        self.error: StoreFailed | None = None

    def add(self, records: Sequence[Record], content: bytes, at_us: int) -> None:
        """Add records, and their bytes for the file."""
        self.records.extend(records)
        self.pieces.append(content)
        self.size += len(content)
        self.at_us = at_us

    async def wait(self) -> None:
        """Return when the batch is written, or raise its error."""
        await self.done.wait()
        if self.error is not None:
            # A copy: one exception cannot carry the tracebacks of several tasks.
            raise StoreFailed(str(self.error), retry=self.error.retry, is_full=self.error.is_full)


class Log:
    """One open stream."""

    def __init__(
        self, stream: str, path: str, *, base: int, chain: int, origin: Origin | None
    ) -> None:
        self.stream, self.path = stream, path
        self.base = base  # the seq before its own first record: 0, or the fork point
        self.origin = origin
        self.start = Start(origin=origin)  # the beginning of its file, with its generation
        self.lineage: tuple[tuple[str, int], ...] = ()  # (stream, last seq there), oldest first
        self.archived = False
        self.repaired: str | None = None

        self.version, self.chain = base, chain  # the last record that can be seen
        self.at_us = 0
        self.size = 0  # of the file
        self.head = 0  # the checksum of the beginning of its file
        self.index = OffsetIndex(LogOffset(base, 0, chain))
        self.ring = Ring()
        self.keys = Keys(base)
        self.is_all_read = True  # whether it was read from its first record on

        self.accepted_version, self.accepted_chain = base, chain
        self.accepted_at_us = 0
        self.filling: WriteBatch | None = None  # what the next round will write
        self.flying: deque[WriteBatch] = deque()  # taken by a thread, not yet landed; oldest first
        self.taking = threading.Lock()  # held to fill a batch, and to take it
        self.synced_version = base  # the last record that is known to be on disk
        self.durable = LogOffset(base, 0, chain)  # the same, or a little less, as an offset
        self.noted_seq = base  # the durable point of the last open hint
        self.note_size = NOTED_BYTES  # the size at which the next open hint is written
        self.on_growth: Callable[[Log], None] = _ignore
        self.on_change: Callable[[str], None] = _ignore
        self.unsynced = False
        self.name_synced = True  # whether the name of the file is on disk
        self.fd: int | None = None
        self.file: FileState | None = None  # the file that `fd` was opened on
        self.followers = trio.lowlevel.ParkingLot()
        self.failed: StoreFailed | None = None
        self.deleted = False
        self.is_written = False  # whether this process has written it since it was opened
        self.forget = False  # whether to close it as soon as nothing is in flight

    @property
    def is_born(self) -> bool:
        """Whether it has a record of its own, and so a file."""
        return self.version > self.base

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be written or is being written."""
        return not self.flying and self.filling is None

    @property
    def is_doubtful(self) -> bool:
        """Whether some of its records may be only in the page cache, and not on disk."""
        return self.synced_version < self.version and self.failed is None

    def accept(self, records: Sequence[Record], at_us: int) -> None:
        """Accept records, which the next append follows."""
        self.is_written = True
        self.accepted_version = records[-1].seq
        self.accepted_chain = crc_of(records[-1].line)
        self.accepted_at_us = at_us

    def fall_back(self) -> None:
        """Forget accepted records that could not be written."""
        self.accepted_version, self.accepted_chain = self.version, self.chain
        self.accepted_at_us = self.at_us
        self.filling = None

    def show(self, records: Sequence[Record], size: int, at_us: int) -> None:
        """Make records that are in the file visible, and wake waiting readers."""
        if not self.size:
            self.head = head_of(records[0].line)
        self.index.extend(LogOffset(self.version, self.size, self.chain), records, size)
        self.ring.extend(records, size)
        self.size += size
        self.version = records[-1].seq
        self.chain = crc_of(records[-1].line)
        self.at_us = at_us
        if self.followers:
            self.followers.unpark_all()
        self.on_change(self.stream)

    def note_synced(self) -> None:
        """Note that all visible records are on disk."""
        self.synced_version = self.version
        self.durable = self.end
        if self.size >= self.note_size:
            self.note_size = self.size + NOTED_BYTES
            self.on_growth(self)

    @property
    def end(self) -> LogOffset:
        """The offset after the last visible record."""
        return LogOffset(self.version, self.size, self.chain)

    @property
    def hint(self) -> OpenHint:
        """The hint for the next opening: where to start reading, and the durable point."""
        durable = self.durable
        offset = self.index.before(durable.start - REREAD_BYTES)
        return OpenHint(self.head, offset, durable)

    def in_flight(self, key: str) -> WriteBatch | None:
        """The batch of the append with a key, if it is not written yet."""
        filling = self.filling
        for batch in [filling, *self.flying]:
            if batch is not None and key in batch.keys:
                return batch
        return None

    def offsets_around(self, first: int, last: int) -> tuple[LogOffset, LogOffset]:
        """The nearest known offsets before and after a range of own records."""
        return self.index.below(first), self.index.above(last) or self.end


def head_of(first_line: bytes) -> int:
    """The checksum of a file's first line, which distinguishes it from another file of its name."""
    return crc32(first_line[:HEAD_BYTES])


def _ignore(_: object) -> None:
    """A callback that does nothing."""


def appended(records: Sequence[Record], *, redacted: bool = False) -> Appended:
    """The result of an append."""
    return Appended(records[0].seq, records[-1].seq, tuple(records), redacted=redacted)


def forked_lineage(
    lineage: Sequence[tuple[str, int]], parent: str, at_seq: int
) -> tuple[tuple[str, int], ...]:
    """The lineage of a fork at a record of `parent`, given the parent's lineage."""
    if at_seq == 0:
        return ()
    older = tuple((stream, min(last, at_seq)) for stream, last in lineage)
    return (*older, (parent, at_seq))
