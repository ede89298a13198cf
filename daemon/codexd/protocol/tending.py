"""Methods that look after the store: what it holds, whether that reads back, and making damaged logs readable."""

from __future__ import annotations

import msgspec


class StoreStreamsParams(msgspec.Struct, frozen=True, rename="camel"):
    """All logs, page by page; damaged ones too, which no list of threads may show."""

    after: str | None = None  # behind this one, by name
    limit: int | None = None


class StoredLog(msgspec.Struct, frozen=True, rename="camel"):
    """One log, as its folder tells of it."""

    thread_id: str
    archived: bool
    size_bytes: int


class StoreStreamsResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of logs, by name; `next_after` is where the next page begins, null at the end."""

    data: tuple[StoredLog, ...]
    next_after: str | None = None


class ThreadVerifyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read a thread's whole log and check it."""

    thread_id: str
    salvage: bool = False  # make it readable if it is damaged


class Salvaged(msgspec.Struct, frozen=True, rename="camel"):
    """What became of a damaged log."""

    records: int
    lost: int  # of those, how many stand for ones that cannot be read any more
    kept: str  # the file that it was


class ThreadVerifyResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What was found; `damage` is what is wrong with the log now."""

    thread_id: str
    archived: bool
    records: int  # whole ones of its own
    damage: str | None = None
    found: str | None = None  # what was wrong before it was salvaged
    salvaged: Salvaged | None = None
    # Of an append that never finished: nothing of it was acknowledged, and no damage was done.
    unfinished: str | None = None


class StoreBlobsVerifyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Check large outputs and images against the hashes that they are named by, page by page."""

    after: str | None = None  # behind this one, by name


class DamagedBlob(msgspec.Struct, frozen=True):
    """One whose bytes are not those that it was made of."""

    sha256: str
    damage: str


class StoreBlobsVerifyResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What was found; `next_after` is where the next page begins, null at the end."""

    checked: int
    total: int
    damaged: tuple[DamagedBlob, ...] = ()
    next_after: str | None = None
    unreadable: tuple[DamagedBlob, ...] = ()  # what the system did not let be read, and why


class StoreBlobsSweepResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Large outputs and images that no log names were removed."""

    looked_at: int
    removed: int
    removed_bytes: int
