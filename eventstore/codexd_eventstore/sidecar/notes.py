"""The sidecar of a store: data that saves reading logs as a whole, in a file that may be lost at any time.

Law: nothing here is a source of truth. A row may be missing, or from an older copy of the file, which costs only
time; errors of the file never reach a caller. A broken file is replaced.

For each stream: an **open hint** (where to start reading its log, and its durable point), its
idempotency keys, its snapshots and the checkpoints of its consumers. One thread writes, in batches; the event
loop reads single rows, which takes some ten microseconds, and also sees the rows that wait to be written.
SQLite is loaded at the first read or write: the start of a daemon does neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import trio

from codexd_eventstore.sidecar.rows import NotedKeys, OpenHint, SidecarBatch, SnapshotRow

if TYPE_CHECKING:
    from codexd_eventstore.sidecar.file import NotesFile

T = TypeVar("T")

# How long the writer collects rows, so that a busy store costs a few transactions a second.
GATHER_SECONDS: Final = 0.2
# Bytes of snapshots that may wait to be written; a caller with more waits too.
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024


class Notes:
    """The sidecar of one store. All methods but `write_out` and `shut` are for the event loop and return at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Condition()
        self._waiting = SidecarBatch()
        self._flying: SidecarBatch | None = None
        self._hurry = False
        self._closing = False
        self._renew = False  # a reader found the file broken
        self._epoch = 0  # of the file: raised each time that it is replaced
        self._writer: threading.Thread | None = None
        self._reader: NotesFile | None = None
        self._reader_epoch = 0
        self.works = True  # whether the last batch could be written

    def hint(self, stream: str) -> OpenHint | None:
        for batch in self._unwritten():
            if (found := batch.hints.get(stream)) is not None:
                return found[0]
            if stream in batch.drops:
                return None
        return self._ask(lambda file: file.read_mark(stream))

    def set_hint(self, stream: str, hint: OpenHint, keying: NotedKeys) -> None:
        """Set the open hint of a log, and the keys up to its durable point."""
        self._put(lambda batch: batch.set_hint(stream, hint, keying))

    def find_key(
        self, stream: str, head: int, key: str, upto: int
    ) -> tuple[bool, tuple[int, int] | None]:
        """Whether the keys of all appends up to a `seq` are stored, and the records of this key's append."""
        for batch in self._unwritten():
            if (found := batch.hints.get(stream)) is not None and found[0].head == head:
                hint, keying = found
                span = next((span[1:] for span in keying.spans if span[0] == key), None)
                if span is not None:
                    return True, span
                if hint.durable.seq >= upto:
                    if keying.after is None:
                        return True, None
                    upto = min(upto, keying.after)
            if stream in batch.drops:
                return False, None
        found_mark = self._ask(lambda file: file.read_mark(stream))
        if found_mark is None or found_mark.head != head or found_mark.keys_to < upto:
            return False, None
        return True, self._ask(lambda file: file.read_key(stream, key))

    def snapshot(self, stream: str, name: str) -> SnapshotRow | None:
        """A snapshot, which may not match the log any more."""
        for batch in self._unwritten():
            if (found := batch.snapshots.get((stream, name))) is not None:
                return found
            if stream in batch.drops:
                return None
        return self._ask(lambda file: file.read_snapshot(stream, name))

    async def set_snapshot(self, stream: str, name: str, kept: SnapshotRow) -> None:
        """Replace the snapshot under a name."""
        if self._waiting.size > WAITING_BYTES_MAX:
            await self.write_out()

        def put(batch: SidecarBatch) -> None:
            batch.snapshots[stream, name] = kept
            batch.size += len(kept.content)

        self._put(put)

    def checkpoint(self, stream: str, consumer: str) -> int:
        """A consumer's checkpoint in a stream; 0 at first."""
        for batch in self._unwritten():
            if (found := batch.checkpoints.get((stream, consumer))) is not None:
                return found
            if batch.drops.get(stream):
                return 0
        return self._ask(lambda file: file.read_checkpoint(stream, consumer)) or 0

    def set_checkpoint(self, stream: str, consumer: str, seq: int) -> None:
        def put(batch: SidecarBatch) -> None:
            batch.checkpoints[stream, consumer] = seq

        self._put(put)

    def drop(self, stream: str, *, checkpoints: bool) -> None:
        """Forget a stream whose file was replaced or is gone."""
        self._put(lambda batch: batch.drop(stream, checkpoints=checkpoints))

    async def write_out(self) -> None:
        """Return when all waiting rows are written or lost."""
        if self._writer is not None:
            await trio.to_thread.run_sync(self._write_out)

    async def shut(self) -> None:
        """Write all waiting rows and close the file."""
        if self._reader is not None:
            self._forget_reader()
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        if self._writer is not None:
            await trio.to_thread.run_sync(self._writer.join, abandon_on_cancel=True)

    def _unwritten(self) -> tuple[SidecarBatch, ...]:
        """The batches that are not in the file yet, newest first."""
        if self._writer is None:
            return ()
        with self._lock:
            return (self._waiting,) if self._flying is None else (self._waiting, self._flying)

    def _put(self, put: Callable[[SidecarBatch], None]) -> None:
        with self._lock:
            put(self._waiting)
            if self._writer is None and not self._closing:
                self._writer = threading.Thread(
                    target=self._write, name="eventstore notes", daemon=True
                )
                self._writer.start()
            self._lock.notify_all()

    def _ask(self, ask: Callable[[NotesFile], T | None]) -> T | None:
        """Read from the file; None if it cannot be read."""
        import sqlite3

        from codexd_eventstore.sidecar import file as notes_file

        if self._reader is not None and self._reader_epoch != self._epoch:
            self._forget_reader()
        try:
            if self._reader is None:
                self._reader_epoch = self._epoch
                self._reader = notes_file.connect(self._path, make=False)
                if self._reader is None:
                    return None
            return ask(self._reader)
        except (sqlite3.Error, OSError, msgspec.ValidationError, TypeError) as error:
            self._forget_reader()
            if isinstance(error, sqlite3.Error) and not notes_file.passes(error):
                self._renew = True
                self._put(lambda batch: None)
            return None

    def _forget_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _write_out(self) -> None:
        with self._lock:
            self._hurry = True
            self._lock.notify_all()
            self._lock.wait_for(lambda: not self._waiting and self._flying is None)

    def _write(self) -> None:
        """The body of the writer's thread."""
        db: NotesFile | None = None
        while self._next():
            with suppress(Exception):  # any error loses only sidecar rows
                db = self._write_batch(db)
            with self._lock:
                self._flying = None
                self._lock.notify_all()
        if db is not None:
            db.close()

    def _next(self) -> bool:
        """Wait until there is something to write, and collect more; returns False at the end."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._renew or self._closing)
            self._lock.wait_for(lambda: self._hurry or self._closing, timeout=GATHER_SECONDS)
            if not self._waiting and not self._renew:
                return False
            self._hurry = False
            self._flying, self._waiting = self._waiting, SidecarBatch()
            return True

    def _write_batch(self, db: NotesFile | None) -> NotesFile | None:
        import sqlite3

        from codexd_eventstore.sidecar import file as notes_file

        assert self._flying is not None
        for attempt in range(2):
            try:
                if self._renew:
                    self._renew = False
                    raise sqlite3.DatabaseError("a reader found it broken")
                db = db or notes_file.connect(self._path, make=True)
                assert db is not None
                notes_file.write(db, self._flying)
                self.works = True
                return db
            except (sqlite3.Error, OSError) as error:
                self.works = False
                if db is not None:
                    db.close()
                    db = None
                if attempt or not isinstance(error, sqlite3.Error) or notes_file.passes(error):
                    return None
                notes_file.remove(self._path)
                self._epoch += 1
        return None
