"""Indexing logs: a thread's rows and its checkpoint change in one transaction. Touches the disk.

Law: a write names the checkpoint (seq, crc) that it started from; if the row has another checkpoint by then, another
process was faster, and nothing is written. A log that does not agree with its checkpoint is indexed again, under a
new number; the old number's documents are `doomed`: never found, and deleted in small portions.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from codexd.core.events.record import Recorded
from codexd.index.build.documents import (
    NAME,
    OUTPUT_CHARS_MAX,
    TELLING,
    Document,
    Withdrawn,
    documents_in,
)
from codexd.index.build.inherited import Unreadable, decoded, inherited
from codexd.index.build.rows import (
    INSERT,
    NAME_COLUMN,
    SUMMARIES,
    UPDATE,
    Known,
    encode_summary,
    nothing_known,
    successor,
    values_of,
)
from codexd.index.store.schema import SEQ_BITS, document_number, documents_of, has_words, packed
from codexd.projections.summary import TELLING_TYPES, Summary
from codexd_eventstore.event_log import Record, StreamEntry
from codexd_eventstore.log_reader import LogReader, OpenedLog

if TYPE_CHECKING:
    import sqlite3

# A transaction holds up the other process for as long as it takes: some 50 ms of writing.
BATCH_DOCUMENTS_MAX: Final = 4000
BATCH_CHARS_MAX: Final = 4 * 1024 * 1024
BATCH_THREADS_MAX: Final = 500
BATCH_SECONDS_MAX: Final = 0.2
# Documents of threads that are gone, swept in one transaction.
SWEPT_MAX: Final = 1000

# Of the system, not of a file: these pass, and no log is damaged.
PASSING_ERRNOS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
# What folds raise for whole records that are invalid in their place.
_NOT_FOLLOWED: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    RecursionError,
)

Taken = Literal["same", "taken", "gone", "large"]


class _Step(msgspec.Struct):
    """One step of a thread: from which checkpoint, to which."""

    known: Known
    before: tuple[int, int]
    values: tuple[object, ...]
    added: list[Document]
    withdrawn: list[str]


class Writer:
    """Indexes logs, through one connection."""

    def __init__(self, connection: sqlite3.Connection, logs: LogReader) -> None:
        self._connection, self._logs = connection, logs
        self._words = has_words(connection)
        self._steps: list[_Step] = []
        self._documents = self._chars = 0
        self._since = time.monotonic()
        self._pending: dict[str, Known] = {}
        self.records = 0  # read up to now
        self.damaged: dict[str, str] = {}  # streams with their damage, to be reported
        self.orphaned: set[str] = set()  # forks of rewritten logs: to be indexed again

    def take(self, stream: str, *, bytes_max: int | None = None, refill: bool = False) -> Taken:
        """Index a thread up to its log's end; "large" where more than `bytes_max` bytes would have to be read.

        `refill`: the thread's rows are void, for a reason that is not in its own log.

        Raises:
            sqlite3.Error, OSError: nothing of the present batch was written.
        """
        known = self._pending.get(stream) or self.look(stream)
        try:
            found = self._logs.find(stream)
        except OSError as error:
            if error.errno in PASSING_ERRNOS:
                raise
            found = StreamEntry(stream, False, 0, 0, error.filename)
            return self._give_up(found, known, f"its log cannot be looked up: {error}")
        if found is None:
            if known is not None:
                self.forget(stream)
            return "gone"
        if refill and known is not None:
            known.void = True
        where = (found.path or "", found.archived, found.size_bytes, found.modified_us)
        if (
            known is not None
            and not known.void
            and where == (known.path, known.archived, known.size, known.mtime)
        ):
            return "same"
        try:
            with self._logs.opened(found) as opened:
                return self._take(found, known, opened, bytes_max)
        except FileNotFoundError:
            return "gone"  # It was moved or removed since; that change is reported separately.
        except OSError as error:
            if error.errno in PASSING_ERRNOS:
                raise
            return self._give_up(found, known, f"its log cannot be read: {error}")

    def look(self, stream: str) -> Known | None:
        row = self._connection.execute(
            "SELECT id, no, archived, path, size, mtime, place, seq, crc, named, damage, base, summary"
            " FROM thread WHERE id=?",
            (stream,),
        ).fetchone()
        if row is None:
            return None
        known = Known(*row[:12])
        try:
            known.summary = SUMMARIES.decode(row[12])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # It is damaged, or was written by another version with the same number.
            known.void = True
        return known

    def forget(self, stream: str) -> None:
        """Its log is gone."""
        self.flush()
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._doom(stream)

    def flush(self) -> None:
        """Commit the batch. Raises: sqlite3.Error, and then nothing of it was written."""
        steps, self._steps = self._steps, []
        self._documents = self._chars = 0
        self._pending.clear()
        if steps:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._write(steps)
        self._since = time.monotonic()

    def sweep(self) -> bool:
        """Remove some documents of threads that are gone; whether there are more."""
        row = self._connection.execute("SELECT no FROM doomed LIMIT 1").fetchone()
        if row is None:
            return False
        first, last = documents_of(row[0])
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            numbers = self._connection.execute(
                "SELECT id FROM document WHERE id BETWEEN ? AND ? LIMIT ?", (first, last, SWEPT_MAX)
            ).fetchall()
            if numbers:
                self._remove_documents(first, numbers[-1][0])
            if len(numbers) < SWEPT_MAX:
                self._connection.execute("DELETE FROM doomed WHERE no=?", (row[0],))
        return True

    def _give_up(self, found: StreamEntry, known: Known | None, why: str) -> Taken:
        """Keep what is known of a thread, and why there is not more; it is looked at again each time."""
        if known is None or known.void:
            known = successor(found.stream, known)
        known.damage, known.size, known.mtime = why, -1, found.modified_us
        self.damaged[found.stream] = why
        self._add(found, known, (known.seq, known.crc), [], [])
        return "taken"

    def _take(
        self, found: StreamEntry, known: Known | None, opened: OpenedLog, bytes_max: int | None
    ) -> Taken:
        refill = known is None or known.void or known.damage is not None
        refill = refill or not opened.agrees(known.cursor)  # type: ignore[union-attr]
        size = found.size_bytes
        if bytes_max is not None and size - (0 if refill else known.place) > bytes_max:  # type: ignore[union-attr]
            return "large"
        if refill:
            self._orphan(found.stream, void=known is not None)
            known = successor(found.stream, known)
        assert known is not None
        is_small = bytes_max is None or size <= bytes_max
        try:
            if refill:
                self._begin(known, opened)
            self._go_on(found, known, opened)
            # A log that has changed and not grown may have changed anywhere.
            is_same_size = known.place == size == known.size
            rewritten = not refill and is_same_size and known.mtime != found.modified_us
            if (known.place < size or rewritten) and is_small:
                known.damage = self._logs.damage(found)
            known.damage = known.damage or nothing_known(found, known)
        except Unreadable as why:
            return self._give_up(found, known, str(why))
        if known.damage is not None:
            self.damaged[found.stream] = known.damage
        if known.place > 0 or known.damage is not None:
            # A large file that does not end in a whole record is left for the next comparison to judge.
            judged = known.place >= size or is_small
            known.size, known.mtime = (size if judged else known.place), found.modified_us
            now = self._logs.find(found.stream)
            if now is not None and now.size_bytes == known.place:
                known.size, known.mtime = now.size_bytes, now.modified_us
            if self._steps and self._steps[-1].known is known:
                self._steps[-1].values = values_of(known)
            else:
                self._add(found, known, (known.seq, known.crc), [], [])
        return "taken"

    def _begin(self, known: Known, opened: OpenedLog) -> None:
        start = opened.start()
        if start.is_broken:
            raise Unreadable("the line before record 1 is broken")
        known.go_to(start.cursor)
        known.base, known.parent = known.seq, start.parent
        if start.parent is not None:
            known.summary = inherited(self._logs, start.parent, known.base, self._summary_at)

    def _orphan(self, stream: str, *, void: bool) -> None:
        """Its forks show its records: they are indexed again when it changes, or when it is there again."""
        query = "SELECT id FROM thread WHERE parent=?" + ("" if void else " AND damage IS NOT NULL")
        self.orphaned.update(row[0] for row in self._connection.execute(query, (stream,)))

    def _summary_at(self, stream: str, seq: int) -> Summary | None:
        known = self._pending.get(stream) or self.look(stream)
        if known is None or known.seq != seq or known.void or known.damage is not None:
            return None
        return SUMMARIES.decode(encode_summary(known.summary))

    def _go_on(self, found: StreamEntry, known: Known, opened: OpenedLog) -> None:
        for records, cursor in opened.pages(known.cursor):
            before = (known.seq, known.crc)
            added, withdrawn = self._fold(known, records)
            known.go_to(cursor)
            self.records += len(records)
            # Until the last page is in, the size says that there is more.
            known.size = known.place
            self._add(found, known, before, added, withdrawn)

    def _fold(self, known: Known, records: Sequence[Record]) -> tuple[list[Document], list[str]]:
        added: list[Document] = []
        withdrawn: list[str] = []
        last = records[-1].seq
        for record in records:
            kind = record.type
            # The last record is always decoded: its time is the thread's.
            listed = kind in TELLING_TYPES or record.seq == last
            if not listed and kind not in TELLING:
                continue
            recorded = decoded(record)
            try:
                if listed:
                    known.summary.apply(recorded)
                if kind in TELLING:
                    self._search_for(recorded, added, withdrawn)
            except _NOT_FOLLOWED as error:
                raise Unreadable(f"record {record.seq} cannot be followed: {error!r}") from error
        return added, withdrawn

    def _search_for(self, recorded: Recorded, added: list[Document], withdrawn: list[str]) -> None:
        for said in documents_in(recorded):
            if isinstance(said, Withdrawn):
                added[:] = [document for document in added if document.item != said.item]
                withdrawn.append(said.item)
            elif said.blob is not None:
                output = self._logs.blob(said.blob, OUTPUT_CHARS_MAX)
                text = output.decode(errors="replace") or said.text
                added.append(msgspec.structs.replace(said, text=text))
            else:
                added.append(said)

    def _add(
        self,
        found: StreamEntry,
        known: Known,
        before: tuple[int, int],
        added: list[Document],
        withdrawn: list[str],
    ) -> None:
        known.path, known.archived = found.path or "", found.archived
        self._pending[known.id] = known
        self._steps.append(_Step(known, before, values_of(known), added, withdrawn))
        self._documents += len(added)
        self._chars += sum(len(document.text) for document in added)
        if (
            self._documents >= BATCH_DOCUMENTS_MAX
            or self._chars >= BATCH_CHARS_MAX
            or len(self._pending) >= BATCH_THREADS_MAX
            or time.monotonic() - self._since >= BATCH_SECONDS_MAX
        ):
            self.flush()

    def _write(self, steps: list[_Step]) -> None:
        rows: list[tuple[int, int, str | None, str | None, str]] = []
        for step in steps:
            known = step.known
            if known.lost or not self._move(step):
                known.lost = True
                continue
            for item in step.withdrawn:
                rows = [row for row in rows if row[3] != item or row[0] >> SEQ_BITS != known.no]
                self._withdraw(known.no, item)
            names = [document for document in step.added if document.kind == NAME]
            if names or (known.named and not step.values[NAME_COLUMN]):
                rows = [row for row in rows if row[0] != known.named]
                self._rename(known, names)
            for entry in step.added:
                if entry.kind != NAME or entry is names[-1]:
                    number = document_number(known.no, entry.seq, entry.part)
                    rows.append((number, entry.kind, entry.turn, entry.item, entry.text))
        self._connection.executemany(
            "INSERT INTO document VALUES(?, ?, ?, ?, ?)",
            [(*row[:4], packed(row[4])) for row in rows],
        )
        if self._words:
            self._connection.executemany(
                "INSERT INTO words(rowid, text) VALUES(?, ?)",
                [(row[0], row[4]) for row in rows if row[4]],
            )

    def _move(self, step: _Step) -> bool:
        """Move the thread's row from one checkpoint to the next; whether it was there."""
        known = step.known
        if known.no:
            values = (*step.values, known.no, *step.before)
            return self._connection.execute(UPDATE, values).rowcount == 1
        query = "SELECT no, seq, crc FROM thread WHERE id=?"
        if self._connection.execute(query, (known.id,)).fetchone() != known.replaces:
            return False
        if known.replaces is not None:
            self._doom(known.id)
        known.no = self._connection.execute(INSERT, (known.id, *step.values)).lastrowid or 0
        return True

    def _rename(self, known: Known, names: list[Document]) -> None:
        if known.named:
            self._remove_documents(known.named, known.named)
        last = names[-1] if names else None
        known.named = document_number(known.no, last.seq, last.part) if last is not None else 0
        self._connection.execute("UPDATE thread SET named=? WHERE no=?", (known.named, known.no))

    def _withdraw(self, no: int, item: str) -> None:
        # From the newest on: reverted text is usually recent.
        row = self._connection.execute(
            "SELECT id >> 2 FROM document WHERE id BETWEEN ? AND ? AND item=? ORDER BY id DESC LIMIT 1",
            (*documents_of(no), item),
        ).fetchone()
        if row is not None:
            self._remove_documents(row[0] << 2, row[0] << 2 | 3)

    def _doom(self, stream: str) -> None:
        self._connection.execute("INSERT INTO doomed SELECT no FROM thread WHERE id=?", (stream,))
        self._connection.execute("DELETE FROM thread WHERE id=?", (stream,))

    def _remove_documents(self, first: int, last: int) -> None:
        if self._words:
            self._connection.execute(
                "INSERT INTO words(words, rowid, text)"
                " SELECT 'delete', id, text FROM said WHERE id BETWEEN ? AND ? AND text<>''",
                (first, last),
            )
        self._connection.execute("DELETE FROM document WHERE id BETWEEN ? AND ?", (first, last))
