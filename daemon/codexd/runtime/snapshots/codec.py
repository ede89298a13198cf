"""Encoding of snapshots: folds of a thread that are stored beside its log.

Law: disposable. A snapshot that is missing, damaged, of another thread, of another past or of another version of
this program is ignored, and the log is folded instead.
"""

from __future__ import annotations

import functools
import logging
import zlib
from typing import Final, Generic, NamedTuple, TypeVar
from zlib import crc32

import msgspec
import trio

from codexd.core.values.ids import ThreadId
from codexd.core.values.schema_hash import shape_of
from codexd_eventstore.reading import record_at
from codexd_eventstore.store import EventStore, Snapshot, StoreError

log = logging.getLogger(__name__)

# Raised when a fold gives another result for the same events; a changed member is detected without it.
FOLDS_VERSION: Final = 3

_CRC_BYTES: Final = 4
_CRC_DIGITS: Final = len('01234567"}')  # how a record's line ends

# Where the thread's log goes over from one file to another, by forks: the `seq` and the checksum of the last
# record before each place. A rewritten log has other checksums.
Joints = tuple[tuple[int, str], ...]

T = TypeVar("T")


class FoundSnapshot(NamedTuple, Generic[T]):
    """A fold at an event."""

    seq: int
    fold: T


class _Record(msgspec.Struct, Generic[T], frozen=True, array_like=True):
    shape: str
    thread: ThreadId
    joints: Joints  # what a fork inherits was this
    fold: T


class SnapshotCodec(Generic[T]):
    """Snapshots of one kind of fold, each under a name of its own."""

    def __init__(self, kind: type[T]) -> None:
        self._decoder = msgspec.msgpack.Decoder(_Record[kind])  # type: ignore[valid-type]
        self._kind = kind

    @functools.cached_property
    def _shape(self) -> str:
        return f"{FOLDS_VERSION}-{shape_of(self._kind)}"

    async def find(
        self, store: EventStore, thread_id: ThreadId, name: str, joints: Joints | None
    ) -> FoundSnapshot[T] | None:
        """The snapshot under a name, if it is valid and the log still has its events."""
        try:
            snapshot = await store.snapshot(thread_id, name)
        except StoreError:
            return None
        if snapshot is None:
            return None
        crc, packed = snapshot.content[:_CRC_BYTES], memoryview(snapshot.content)[_CRC_BYTES:]
        if int.from_bytes(crc) != crc32(packed):
            return None
        try:
            kept = self._decoder.decode(zlib.decompress(packed))
        except (msgspec.MsgspecError, ValueError, zlib.error):
            return None
        same = (kept.shape, kept.thread, kept.joints) == (self._shape, thread_id, joints)
        return FoundSnapshot(snapshot.seq, kept.fold) if same else None

    def encode(self, thread_id: ThreadId, joints: Joints, fold: T) -> bytes:
        """The fold, encoded; it may be changed after that."""
        return _encode(_Record(self._shape, thread_id, joints, fold))


async def keep(store: EventStore, thread_id: ThreadId, name: str, seq: int, encoded: bytes) -> bool:
    """Store an encoded fold in place of the previous; False where that was not possible."""
    try:
        # Two milliseconds for 100 KB: not on the loop.
        content = await trio.to_thread.run_sync(_packed, encoded)
        await store.set_snapshot(thread_id, name, Snapshot(seq, content))
    except StoreError as error:
        log.warning("thread %s: its %s was not kept: %s", thread_id, name, error)
        return False
    return True


async def joints_of(store: EventStore, thread_id: ThreadId) -> Joints | None:
    """Where the thread's log continues in another file, at each fork; None where that cannot be read.

    The store drops the snapshots of a log that was rewritten. Its forks' own files are unchanged, so their
    snapshots are recognised as outdated by this value.
    """
    joints: Joints = ()
    try:
        head = await store.head(thread_id)
        while head.parent is not None and head.parent_seq:
            if not joints or head.parent_seq < joints[-1][0]:
                record = await record_at(store, thread_id, head.parent_seq)
                joints = (*joints, (head.parent_seq, record.line[-_CRC_DIGITS:].decode()))
            head = await store.head(head.parent)
    except StoreError:
        return None
    return joints


_encode = msgspec.msgpack.Encoder().encode


def _packed(content: bytes) -> bytes:
    """It as the store keeps it: a history is text, and a third as long so."""
    packed = zlib.compress(content, level=1)
    return crc32(packed).to_bytes(_CRC_BYTES) + packed
