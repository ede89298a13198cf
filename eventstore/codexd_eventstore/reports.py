"""The reports of a store: blobs, packages, rewritings and sweeps. Import them from `store`."""

from __future__ import annotations

import msgspec


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
