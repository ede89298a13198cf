"""A fold of a thread that somebody had to wait for, kept with the log: nobody waits for the same twice.

Law: disposable, as the snapshots of loaded threads are. What is missing, damaged, of another thread, of another
past or of another version of this program is as if it had never been kept.
"""

from __future__ import annotations

import logging
import zlib
from typing import Final, Generic, NamedTuple, TypeVar
from zlib import crc32

import msgspec

from codexd.core.values.ids import ThreadId
from codexd.core.values.schema_hash import shape_of
from codexd.runtime.snapshots.steps import FOLDS_VERSION, Joints, joints_of
from codexd_eventstore.store import EventStore, Snapshot, StoreError

log = logging.getLogger(__name__)

# To read fewer records again takes some milliseconds, and to keep what they make a write.
KEPT_EVENTS: Final = 1000

_CRC_BYTES: Final = 4

T = TypeVar("T")


class CachedFolds(NamedTuple, Generic[T]):
    """A fold as it stood at an event."""

    seq: int
    fold: T


class _CachedRecord(msgspec.Struct, Generic[T], frozen=True, array_like=True):
    shape: str
    thread: ThreadId
    joints: Joints  # what a fork inherits was this
    fold: T


class FoldsCache(Generic[T]):
    """Folds of one kind, one for each thread."""

    def __init__(self, name: str, kind: type[T]) -> None:
        self._name = name
        self._decoder = msgspec.msgpack.Decoder(_CachedRecord[kind])  # type: ignore[valid-type]
        self._shape = f"{FOLDS_VERSION}-{shape_of(kind)}"

    async def find(self, store: EventStore, thread_id: ThreadId) -> CachedFolds[T] | None:
        """The one that was kept last, if the log still has what it is made of."""
        try:
            snapshot = await store.snapshot(thread_id, self._name)
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
        joints = await joints_of(store, thread_id)
        same = (kept.shape, kept.thread, kept.joints) == (self._shape, thread_id, joints)
        return CachedFolds(snapshot.seq, kept.fold) if same else None

    async def keep(self, store: EventStore, thread_id: ThreadId, seq: int, fold: T) -> None:
        """Have this instead of the one before. Where that cannot be, the next who asks waits again."""
        joints = await joints_of(store, thread_id)
        if joints is None:
            return
        packed = zlib.compress(
            _encode(_CachedRecord(self._shape, thread_id, joints, fold)), level=1
        )
        content = crc32(packed).to_bytes(_CRC_BYTES) + packed
        try:
            await store.set_snapshot(thread_id, self._name, Snapshot(seq, content))
        except StoreError as error:
            log.warning("thread %s: its %s was not kept: %s", thread_id, self._name, error)


_encode = msgspec.msgpack.Encoder().encode
