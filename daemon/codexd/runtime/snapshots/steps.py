"""Snapshots of a thread's folds: so that opening a thread costs its tail, not its length.

Each snapshot is a **step**: the folds at a place between two turns, and the items of the model's history
that requests have had since the step before. Steps are numbered and never change, so a thread's snapshots
together are no longer than its history, and a fork may begin at any of them. The newest folds stand under
a name of their own as well: whoever opens a thread reads nothing else, and the items when a request is due.

Law: disposable. What is missing, damaged, of another thread or of another version of this program is
ignored, and the log is folded instead.
"""

from __future__ import annotations

import functools
import logging
import zlib
from zlib import crc32

import msgspec
import trio

from codexd.core.values.ids import ThreadId
from codexd.core.values.schema_hash import shape_of
from codexd.projections.model.history import ModelHistory
from codexd.runtime.snapshots.folds import Folds, FoldsSnapshot
from codexd.runtime.snapshots.refold import fold_history
from codexd_eventstore.store import Appended, EventStore, Snapshot, StoreError

log = logging.getLogger(__name__)

# Goes up when a fold makes something else of the same events; a changed member shows by itself.
FOLDS_VERSION = 1
# A step is worth its writing once so much would have to be folded again: some 5 ms of work.
STEP_EVENTS, STEP_BYTES = 500, 2 * 1024 * 1024
# When a thread is let go or the daemon stops, a shorter tail will do: it is read before anything is seen,
# and nobody waits for the writing. Below this, folding it costs no more than reading a snapshot.
LAST_STEP_EVENTS = 100
# A longer one is not kept: no model takes a history of this size, so it is a log of something else.
STEP_BYTES_MAX = 64 * 1024 * 1024

NEWEST = "folds"
_CRC_BYTES = 4
_CRC_DIGITS = len('01234567"}')  # how a record's line ends

# Where the items are that requests have had: thread, and its first and last step with some of them, the
# oldest thread first.
Lineage = tuple[tuple[ThreadId, int, int], ...]


# Where a thread's log goes over from one file to another, by forks: the `seq` and the checksum of the last
# record in front of each place. Whatever is rewritten there has other checksums.
Joints = tuple[tuple[int, str], ...]


class _SnapshotRecord(msgspec.Struct, frozen=True, array_like=True):
    shape: str
    thread: ThreadId
    joints: Joints  # what a fork inherits was this
    lineage: Lineage  # up to and with this step
    before: str  # the digest of the history in front of `items`
    items: tuple[bytes, ...]
    folds: FoldsSnapshot


class Covered(msgspec.Struct, frozen=True):
    """What of a history is in steps."""

    lineage: Lineage = ()
    items: int = 0
    digest: str = ""  # of those
    begun: int = 0  # since the history began anew for this time
    seq: int = 0  # as of this event


class Step(msgspec.Struct, frozen=True):
    """A step on its way into the store."""

    seq: int
    number: int
    went_back: int  # how often the thread had gone back when it was taken
    covered: Covered  # with it
    content: bytes
    newest: bytes  # the same without items


class Seed(msgspec.Struct, frozen=True):
    """Folds to go on from."""

    folds: Folds
    covered: Covered


class SnapshotWriter:
    """Takes the snapshots of one thread, and knows what is in them."""

    def __init__(self, store: EventStore, thread_id: ThreadId) -> None:
        self._store, self._thread_id = store, thread_id
        self._joints: Joints = ()
        self._covered = Covered()
        self._absent = Covered()  # the items that are not in memory
        self._number = 0  # of the newest step, whatever became of what it holds
        self._went_back = 0  # so often
        self._events, self._bytes = 0, 0  # since the newest step
        self._busy = False
        self._differs = False  # whether the folds hold what the log does not

    def begin(self, joints: Joints) -> None:
        """The folds are made of this."""
        self._joints = joints

    def go_on_from(self, seed: Seed) -> None:
        """The folds begin here."""
        self._covered = self._absent = seed.covered
        own = [last for thread_id, _, last in seed.covered.lineage if thread_id == self._thread_id]
        self._number = max(self._number, *own, 0)

    def go_back_to(self, covered: Covered, events: int, size_bytes: int) -> None:
        """Of the history as it stands now this is in steps; behind it so much had to be read.

        The steps behind those stay, for whoever comes back there.
        """
        self._covered = self._absent = covered
        self._went_back += 1
        # Whoever opens the thread next reads as much again, unless a step is taken.
        self._events, self._bytes = events, size_bytes

    def grew(self, events: int, size_bytes: int) -> None:
        """So much was taken in since the newest step."""
        self._events += events
        self._bytes += size_bytes

    def appended(self, appended: Appended) -> None:
        """The thread's own append is in the log."""
        self.grew(len(appended.records), sum([len(record.line) for record in appended.records]))
        # The model is shown once what the log must never hold; a snapshot is made of the log alone.
        self._differs = self._differs or appended.redacted

    def is_due(self, folds: Folds, events: int = STEP_EVENTS) -> bool:
        """Whether a step is worth its writing, and may be taken now."""
        return (
            (self._events >= events or self._bytes >= STEP_BYTES)
            and folds.between_turns
            and not folds.state.ephemeral  # it is in memory itself
            and not self._busy
            and not self._differs
        )

    def seed(self, folds: Folds) -> Seed | None:
        """The folds for a fork at this place; None where it has to fold the log."""
        if self._differs or not folds.between_turns:
            return None
        if folds.history.absent not in (0, self._covered.items):
            return None  # Some of its items are in steps, and not those that it would look for.
        return Seed(folds.copy(), self._covered)

    async def keep(self, folds: Folds) -> None:
        """Take a step here and write it; the folds may go on meanwhile."""
        await self.write(self.take(folds))

    def take(self, folds: Folds) -> Step:
        """The folds as they stand, encoded. It is to be written next."""
        place, covered = folds.place(), self._covered
        begins = place.history.begun != covered.begun
        items = tuple(folds.history.had(0 if begins else covered.items))
        number = self._number + 1
        lineage = _extended(covered.lineage, self._thread_id, number, begins=begins)
        before = "" if begins else covered.digest
        kept = _SnapshotRecord(
            _shape(), self._thread_id, self._joints, lineage, before, items, place
        )
        content, newest = _pack(kept), _pack(msgspec.structs.replace(kept, items=()))
        self._events, self._bytes, self._busy = 0, 0, True
        return Step(folds.version, number, self._went_back, _covered_by(kept), content, newest)

    async def write(self, step: Step) -> None:
        """Have the store keep a step. Where it cannot, the next one holds what this one held."""
        try:
            if len(step.content) <= STEP_BYTES_MAX:
                for name, content in ((_step(step.number), step.content), (NEWEST, step.newest)):
                    # Two milliseconds for 100 KB: not on the loop.
                    packed = await trio.to_thread.run_sync(_packed, content)
                    await self._set(name, step.seq, packed)
                self._number = step.number
                if step.went_back == self._went_back:
                    self._covered = step.covered
        except StoreError as error:
            log.warning("thread %s: no snapshot was kept: %s", self._thread_id, error)
        finally:
            self._busy = False

    def let_go(self, history: ModelHistory) -> None:
        """Keep in memory no item that the steps have."""
        if history.begun == self._covered.begun and history.absent < self._covered.items:
            history.let_go(self._covered.items)
            self._absent = self._covered

    async def bring_back(self, history: ModelHistory) -> None:
        """Have all items in memory. Raises: StoreError, InvalidEvent."""
        count = history.absent
        if not count:
            return
        present = history.items
        items = await self._from_steps(count)
        if items is None:
            whole = await fold_history(self._store, self._thread_id, self._absent.seq)
            items = whole.items[:count]
        if history.items is present and history.absent == count:
            history.bring_back(items)

    async def _from_steps(self, count: int) -> list[bytes] | None:
        items: list[bytes] = []
        reached = ""
        for thread_id, first, last in self._absent.lineage:
            joints = await joints_of(self._store, thread_id)
            for number in range(first, last + 1):
                found = await _find(self._store, thread_id, _step(number), joints)
                if found is None or found.before != reached:
                    return None
                items += found.items
                reached = found.folds.history.digest
        return items if len(items) == count and reached == self._absent.digest else None

    async def _set(self, name: str, version: int, content: bytes) -> None:
        await self._store.set_snapshot(self._thread_id, name, Snapshot(version, content))


async def find_seed(store: EventStore, thread_id: ThreadId, at_seq: int) -> Seed | None:
    """The newest folds of a thread that stand at an event or in front of it."""
    found = await _find(store, thread_id, NEWEST, await joints_of(store, thread_id))
    if found is None:
        return None
    if found.folds.summary.seq > at_seq:
        found = await _find_step(store, found.lineage, at_seq)
    if found is None:
        return None
    return Seed(Folds.at(found.folds), _covered_by(found))


async def _find_step(store: EventStore, lineage: Lineage, at_seq: int) -> _SnapshotRecord | None:
    """The last step at an event or in front of it."""
    for thread_id, _, last in reversed(lineage):
        best: _SnapshotRecord | None = None
        first, width, joints = 1, 0, await joints_of(store, thread_id)
        while first <= last:
            # In strides from the end, since forks leave near it; between two of them by halves.
            middle = max(first, last - width) if best is None else (first + last) // 2
            width = 2 * width + 1
            found = await _find(store, thread_id, _step(middle), joints)
            if found is None:
                return None
            if found.folds.summary.seq <= at_seq:
                best, first = found, middle + 1
            else:
                last = middle - 1
        if best is not None:
            return best
    return None


async def joints_of(store: EventStore, thread_id: ThreadId) -> Joints | None:
    """Where the thread's log goes over from one file to another; None where that cannot be read.

    The store knows when a log was rewritten, and drops what was kept of it. What was kept of its forks
    is told apart by this: their own files are as they were.
    """
    joints: Joints = ()
    try:
        head = await store.head(thread_id)
        while head.parent is not None and head.parent_seq:
            if not joints or head.parent_seq < joints[-1][0]:
                after = head.parent_seq - 1
                (record,) = await store.read(thread_id, after=after, limit=1)
                joints = (*joints, (head.parent_seq, record.line[-_CRC_DIGITS:].decode()))
            head = await store.head(head.parent)
    except StoreError:
        return None
    return joints


async def _find(
    store: EventStore, thread_id: ThreadId, name: str, joints: Joints | None
) -> _SnapshotRecord | None:
    """What is kept under a name, if it is what it seems to be."""
    try:
        snapshot = await store.snapshot(thread_id, name)
    except StoreError:
        return None
    if snapshot is None or int.from_bytes(snapshot.content[:_CRC_BYTES]) != crc32(
        snapshot.content[_CRC_BYTES:]
    ):
        return None
    try:
        kept = _decoder.decode(zlib.decompress(memoryview(snapshot.content)[_CRC_BYTES:]))
    except (msgspec.MsgspecError, ValueError, zlib.error):
        return None
    same = (kept.shape, kept.thread, kept.joints) == (_shape(), thread_id, joints)
    return kept if same and kept.folds.summary.seq == snapshot.seq else None


def _extended(lineage: Lineage, thread_id: ThreadId, number: int, *, begins: bool) -> Lineage:
    """It with one more step of the thread's; `begins`: the history began anew, and has nothing else.

    Between two steps of one history lie others where the thread went back in between.
    """
    if begins or not lineage:
        return ((thread_id, number, number),)
    last_thread, first, last = lineage[-1]
    if (last_thread, last) == (thread_id, number - 1):
        return (*lineage[:-1], (thread_id, first, number))
    return (*lineage, (thread_id, number, number))


def _covered_by(kept: _SnapshotRecord) -> Covered:
    history = kept.folds.history
    seq = kept.folds.summary.seq
    return Covered(kept.lineage, history.printed, history.digest, history.begun, seq)


def _step(number: int) -> str:
    return f"step-{number}"


@functools.cache
def _shape() -> str:
    return f"{FOLDS_VERSION}-{shape_of(_SnapshotRecord)}"


_decoder = msgspec.msgpack.Decoder(_SnapshotRecord)
_pack = msgspec.msgpack.Encoder().encode


def _packed(content: bytes) -> bytes:
    """It as the store keeps it: a history is text, and a third as long so."""
    packed = zlib.compress(content, level=1)
    return crc32(packed).to_bytes(_CRC_BYTES) + packed
