"""Snapshots of a thread's folds: so that opening a thread costs its tail, not its length.

A snapshot is the folds at a point between two turns, where nothing is open and nothing waits. It is taken now and
then, without the items that a request has had, so it is small however long the history is; all snapshots are kept,
for a revert and for a fork at an earlier turn. The newest history is stored once more with all of its items: it is
written when it has become twice as long, and read when a request is due.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.values.ids import ThreadId
from codexd.runtime.snapshots.codec import FoundSnapshot, Joints, SnapshotCodec, joints_of, keep
from codexd.runtime.snapshots.folds import Folds
from codexd_eventstore.store import Appended, EventStore

# A snapshot is worth its writing once this much would have to be folded again: some 5 ms of work.
SNAPSHOT_EVENTS: Final = 500
SNAPSHOT_BYTES: Final = 2 * 1024 * 1024
# When a thread is unloaded or the daemon stops, a shorter tail is enough: a client waits for the reading of the
# tail, and none for this write. Below this, folding the tail costs no more than reading a snapshot.
LAST_SNAPSHOT_EVENTS: Final = 100
# Twice what the largest window takes: a longer history is not kept whole, and is read from the log if a request is due.
WHOLE_BYTES_MAX: Final = 8 * 1024 * 1024

INDEX: Final = "folds"
WHOLE: Final = "whole"
_INDEX: Final = SnapshotCodec(tuple[int, ...])  # the `seq` of each snapshot; the first is number 1


@cache
def _folds() -> SnapshotCodec[Folds]:
    # All types of the folds are looked at: some milliseconds, which the start is spared.
    return SnapshotCodec(Folds)


class _Taken(msgspec.Struct, frozen=True):
    """Folds on their way into the store, encoded."""

    seq: int
    index: bytes
    folds: bytes
    whole: bytes | None


class SnapshotWriter:
    """Takes the snapshots of one thread."""

    def __init__(self, store: EventStore, thread_id: ThreadId) -> None:
        self._store, self._thread_id = store, thread_id
        self._joints: Joints = ()
        self._seqs: tuple[int, ...] = ()  # of the snapshots that there are
        # The history that is kept whole: since which record, of how many bytes.
        self._whole = (0, 0)
        self._events, self._bytes = 0, 0  # since the newest snapshot
        self._events_whole = 0  # since the newest one of a whole history
        self._busy = False
        self._differs = False  # whether the folds hold what the log does not

    async def begin(self) -> None:
        """Look up the snapshots of a thread that is not new."""
        joints = await joints_of(self._store, self._thread_id)
        index = await _INDEX.find(self._store, self._thread_id, INDEX, joints)
        self._joints, self._seqs = joints or (), index.fold if index is not None else ()

    def found_whole(self, whole: Folds, version: int) -> None:
        """Folds with a whole history were read for a thread at a version."""
        self._whole = (whole.history.since, whole.history.sequence.size_bytes)
        self._events_whole = max(self._events_whole, version - whole.version)

    def went_back(self, events: int, size_bytes: int) -> None:
        """So much was read to refold the history, and will be again unless a snapshot is taken."""
        self._events, self._bytes = events, size_bytes
        self._events_whole += events

    def grew(self, events: int, size_bytes: int) -> None:
        """So much was folded since the newest snapshot."""
        self._events += events
        self._bytes += size_bytes
        self._events_whole += events

    def appended(self, appended: Appended) -> None:
        """The thread's own append is in the log."""
        self.grew(len(appended.records), sum([len(record.line) for record in appended.records]))
        # The model is shown once what the log must never hold; a snapshot is made of the log alone.
        self._differs = self._differs or appended.redacted

    def is_due(self, folds: Folds, events: int = SNAPSHOT_EVENTS) -> bool:
        """Whether a snapshot is worth its writing, and may be taken now."""
        return (self._events >= events or self._bytes >= SNAPSHOT_BYTES) and self._may(folds)

    def is_last_due(self, folds: Folds) -> bool:
        """Whether one is, where it may be the last for a long time."""
        lacking = self._events if folds.history.evicted else self._events_whole
        return lacking >= LAST_SNAPSHOT_EVENTS and self._may(folds)

    def seed(self, folds: Folds) -> Folds | None:
        """The folds for a fork at this place; None where it has to fold the log."""
        return None if self._differs or not folds.between_turns else folds.copy()

    def take(self, folds: Folds, *, last: bool = False) -> _Taken:
        """The folds, encoded; to be written next.

        Args:
            last: the thread is unloaded, so the history is written whole though it has not become twice as long.
        """
        history, whole = folds.history, None
        since, size = history.since, history.sequence.size_bytes
        kept_since, kept_size = self._whole
        grown = last or since != kept_since or size >= 2 * kept_size
        if grown and not history.evicted and size <= WHOLE_BYTES_MAX:
            whole = self._encoded(folds, 0)
            self._whole, self._events_whole = (since, size), 0
        self._seqs = (*self._seqs, folds.version)
        index = _INDEX.encode(self._thread_id, self._joints, self._seqs)
        encoded = self._encoded(folds, history.printed)
        self._events, self._bytes, self._busy = 0, 0, True
        return _Taken(folds.version, index, encoded, whole)

    async def write(self, taken: _Taken) -> None:
        """Store it. If that fails, the thread opens from an earlier snapshot."""
        names = [(_name(len(self._seqs)), taken.folds), (INDEX, taken.index)]
        if taken.whole is not None:
            names.insert(0, (WHOLE, taken.whole))
        try:
            for name, encoded in names:
                if not await keep(self._store, self._thread_id, name, taken.seq, encoded):
                    break
        finally:
            self._busy = False

    async def keep(self, folds: Folds, *, last: bool = False) -> None:
        """Take a snapshot and write it; the folds may go on meanwhile."""
        await self.write(self.take(folds, last=last))

    def _may(self, folds: Folds) -> bool:
        is_memory = folds.state.ephemeral
        return folds.between_turns and not is_memory and not self._busy and not self._differs

    def _encoded(self, folds: Folds, evicted: int) -> bytes:
        """The folds without their first `evicted` items."""
        kept = replace(folds, history=folds.history.without(evicted))
        return _folds().encode(self._thread_id, self._joints, kept)


async def find_folds(store: EventStore, thread_id: ThreadId, at_seq: int) -> Folds | None:
    """The thread's newest snapshot at an event or before it.

    The items that a request had had by then are evicted.
    """
    joints = await joints_of(store, thread_id)
    index = await _INDEX.find(store, thread_id, INDEX, joints)
    seqs = index.fold if index is not None else ()
    for number in range(bisect_right(seqs, at_seq), 0, -1):
        found = await _folds().find(store, thread_id, _name(number), joints)
        if found is not None and found.seq == found.fold.version == seqs[number - 1]:
            return found.fold
    return None


async def find_whole(store: EventStore, thread_id: ThreadId) -> FoundSnapshot[Folds] | None:
    """The stored folds of a thread with a whole history."""
    joints = await joints_of(store, thread_id)
    return await _folds().find(store, thread_id, WHOLE, joints)


def _name(number: int) -> str:
    return f"step-{number}"
