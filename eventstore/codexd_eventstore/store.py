"""The contract of a store: an event log, and what only a local engine has beside it.

A **draft** is text that is not yet a fact: it grows beside the log and is dropped when the fact is appended.
A **blob** is bytes under the name of their own sha256. A **snapshot** is a fold of a stream's first records.

A caller that needs the log alone takes an `EventLog`; another names the part that it needs. All of the contract can
be imported from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

import msgspec

from codexd_eventstore.event_log import (
    PAGE_BYTES_MAX,
    PAGE_RECORDS_MAX,
    RECORD_BYTES_MAX,
    SYNC_INTERVAL_MS,
    Appended,
    Changes,
    Conflict,
    Damaged,
    EventLog,
    Exists,
    Head,
    Locked,
    NewEvent,
    NotFound,
    Record,
    Refused,
    StoreError,
    StoreFailed,
    StreamEntry,
    Subscription,
)

__all__ = [
    "PAGE_BYTES_MAX",
    "PAGE_RECORDS_MAX",
    "RECORD_BYTES_MAX",
    "SYNC_INTERVAL_MS",
    "Appended",
    "Changes",
    "Conflict",
    "Damaged",
    "EventLog",
    "Exists",
    "Head",
    "Locked",
    "NewEvent",
    "NotFound",
    "Record",
    "Refused",
    "StoreError",
    "StoreFailed",
    "StreamEntry",
    "Subscription",
]


class BlobRef(msgspec.Struct, frozen=True, rename="camel"):
    """A blob: its name and its size."""

    sha256: str
    size_bytes: int


class Rewritten(msgspec.Struct, frozen=True):
    """The result of rewriting a log: every number stayed, and the chain is new."""

    stream: str
    generation: int  # 1 is a log as it was first written
    records: int  # its own records
    changed: int  # of those, how many have another content now
    lost: int = 0  # the number of those that replace unreadable records
    kept: str | None = None  # the file that the log was before, where that is kept
    removed: tuple[str, ...] = ()  # files kept beside it that may have held what was taken out


class PackedLog(msgspec.Struct, frozen=True, rename="camel"):
    """One log in a package, up to a record."""

    stream: str
    version: int
    crc: str  # of the record `version`
    size_bytes: int
    archived: bool = False
    generation: int = 1
    parent: str | None = None
    parent_seq: int = 0


class Package(msgspec.Struct, frozen=True, rename="camel"):
    """The content of a package: a stream, as much of its ancestors as it needs, and the blobs that they name."""

    format: int
    stream: str
    logs: tuple[PackedLog, ...]  # the oldest ancestor first, the stream itself last
    blobs: tuple[BlobRef, ...] = ()


class Unpacked(msgspec.Struct, frozen=True):
    """The result of unpacking, for each log of a package."""

    stream: str
    version: int  # the stream's own version now
    added: tuple[str, ...] = ()  # streams that were not here
    extended: tuple[str, ...] = ()  # streams that the package continues
    kept: tuple[str, ...] = ()  # streams that were here with all that the package has of them
    blobs: int = 0  # how many were not here


class Swept(msgspec.Struct, frozen=True):
    """The result of a sweep of the blobs."""

    looked_at: int
    removed: int
    removed_bytes: int


# What is read of each draft that was left: more than the longest item of a model is the output of a program.
LEFT_BYTES_MAX: Final = 16 << 20
LEFT_END_BYTES: Final = 64 << 10


class LeftDraft(msgspec.Struct, frozen=True):
    """A draft that a dead process left."""

    name: str
    header: bytes  # as it was given to `open_draft`
    content: bytes  # the first `LEFT_BYTES_MAX` of it
    end: bytes = b""  # and of a longer one the last `LEFT_END_BYTES`
    gone_bytes: int = 0  # between the two


class Verdict(msgspec.Struct, frozen=True):
    """What `verify` found: records that are whole, and what is wrong with the first that is not."""

    stream: str
    records: int
    damage: str | None = None
    archived: bool = False  # where it lies
    unfinished: str | None = None  # of an append that never finished, which is no damage


class Snapshot(msgspec.Struct, frozen=True):
    """A fold of a stream's first `seq` records, as its consumer encoded it. Disposable."""

    seq: int
    content: bytes


class Draft(Protocol):
    """Text that is not yet a fact. Appends reach the kernel, so they survive the process."""

    @property
    def size_bytes(self) -> int:
        """The number of bytes that were appended."""

    def append(self, content: bytes) -> int:
        """Append and return the new size in bytes.

        Raises:
            StoreFailed: the content must not be shown.
        """

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to `end`, or to all that there is."""

    def drop(self) -> None:
        """Remove it: its fact is in the log. Dropping twice is allowed."""

    async def keep(self, *, drop: bool = True) -> BlobRef:
        """Turn it into a blob, synced to disk, and drop the draft; without `drop` it goes on."""


class Drafts(Protocol):
    """Texts that are not yet facts, beside the streams."""

    def open_draft(self, stream: str, name: str, header: bytes) -> Draft:
        """Start a draft beside the stream. `name` is made of letters, digits, `-`, `_` and `.`."""

    def reopen_draft(self, stream: str, left: LeftDraft) -> Draft:
        """Go on with a draft that a dead process left; it is left no more. Raises: NotFound, StoreFailed."""

    async def left_drafts(self, stream: str) -> list[LeftDraft]:
        """The drafts that a dead process left beside the stream, oldest first."""

    async def drop_left_drafts(self, stream: str) -> None:
        """Remove those: their facts are in the log."""


class Blobs(Protocol):
    """Bytes under the names of their own sha256."""

    async def put_blob(self, content: bytes, *, as_it_is: bool = False) -> BlobRef:
        """Store bytes under their sha256, on disk when it returns; the same bytes once only.

        Args:
            as_it_is: no byte is redacted: an image with other bytes is broken.
        """

    async def read_blob(self, sha256: str, *, start: int = 0, end: int | None = None) -> bytes:
        """The bytes of a blob, or a range of them. Raises: NotFound."""

    async def blobs(self) -> list[BlobRef]:
        """All blobs, in no particular order."""

    async def verify_blob(self, sha256: str) -> str | None:
        """The problem of a blob, if any. Raises: NotFound."""


class Sidecar(Protocol):
    """Notes on streams, which may be lost at any time."""

    async def snapshot(self, stream: str, name: str) -> Snapshot | None:
        """The newest snapshot of that name that the log still agrees with."""

    async def set_snapshot(self, stream: str, name: str, snapshot: Snapshot) -> None:
        """Replace the snapshot under the name. It may be lost; then the log is folded."""

    async def checkpoint(self, consumer: str, stream: str) -> int:
        """A consumer's position in a stream; 0 at first."""

    async def set_checkpoint(
        self, consumer: str, stream: str, seq: int, *, written: bool = False
    ) -> None:
        """Remember how far it has come. It may be lost in a crash: delivery is at least once.

        Args:
            written: whether to return only when no death of this process can lose it any more.
        """


class Maintenance(Protocol):
    """Operations on whole streams, and checks."""

    def close(self, stream: str) -> None:
        """Forget what is kept in memory for it; it is opened again when it is needed."""

    async def foreign_in(self, stream: str, records: Sequence[Record]) -> frozenset[int]:
        """The numbers of a stream's records that this store did not write there, or that were appended as `foreign`.

        Empty in a store that was opened without seals.
        """

    async def children(self, stream: str) -> list[str]:
        """The streams that were forked from it directly, sorted."""

    async def archive(self, stream: str) -> None:
        """Archive it: it still reads, and refuses appends. Archiving twice is allowed."""

    async def unarchive(self, stream: str) -> None:
        """Bring it back."""

    async def delete(self, stream: str, *, detach_children: bool = False) -> frozenset[str]:
        """Remove it permanently; returns the blobs that it named, for `sweep_blobs`: no other log may name them.

        Args:
            detach_children: give the streams that were forked from it copies of what they share.

        Raises: Refused where other streams were forked from it and are not to be detached.
        """

    async def scrub(
        self, stream: str, edit: Callable[[Record], bytes | None], *, at_us: int
    ) -> Rewritten:
        """Rewrite its own records where `edit` returns other data than the record has.

        Numbers, times and types stay; forks of it still read. `edit` is called in a thread, and None
        leaves the record as it is. The old file is unlinked, and its bytes are not overwritten.
        """

    async def salvage(self, stream: str, *, at_us: int) -> Rewritten:
        """Make a damaged log readable: what is broken becomes `log.lost` records, and the file that
        it was is kept. A whole log stays as it is.
        """

    async def pack(self, stream: str, path: str) -> Package:
        """Write it, what it inherited and the blobs that they name into one new file, a plain tar.

        Raises: Refused where something is at the path, NotFound, Damaged, StoreFailed.
        """

    async def unpack(self, path: str, accepts: Callable[[str], bool] | None = None) -> Unpacked:
        """Take in what such a file holds, after all of it was checked; only streams whose names are accepted.

        A stream that is here already stays, or gets the package's further records where that is longer;
        ancestors that were not here are archived. Other streams than that are never touched.

        Raises: Refused where it is no package, does not read back, or a stream differs here;
            nothing was imported then. StoreFailed.
        """

    async def until_written(self) -> None:
        """Return when the append that has waited longest for the disk has ended, well or badly; at once if none waits."""

    async def verify(self, stream: str) -> Verdict:
        """Read all of it and check every record; changes nothing."""

    async def sweep_blobs(self, among: Collection[str] | None = None) -> Swept:
        """Remove the blobs (of those named, or of all) that no log names; reads every log."""


class EventStore(EventLog, Drafts, Blobs, Sidecar, Maintenance, Protocol):
    """All of it. One process at a time owns one store."""
