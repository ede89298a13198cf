"""The SQLite file of the sidecar: its tables, and how a batch is written. Everything here blocks.

Law: a row is only a hint. A batch is written as a whole or not at all, and `hint.keys_to` is raised only if all
earlier keys are in the file: a lost batch leaves a gap that is detected.

SQLite makes its own calls to the file system, so the few others are made here and not in `files.py`.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from codexd_eventstore.disk.files import make_own
from codexd_eventstore.format.offsets import LogOffset
from codexd_eventstore.sidecar.rows import NotedKeys, OpenHint, SidecarBatch, SnapshotRow

# The version of the tables. A file of any other version is replaced.
VERSION: Final = 1
# How long a reader waits on the event loop, and the writer in its thread, while the other recovers the file.
READER_WAITS_S: Final = 0.25
WRITER_WAITS_S: Final = 5.0

# Errors that are temporary, or that a new file would not fix: the file is left as it is.
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
_TABLES: Final = """
BEGIN IMMEDIATE;
CREATE TABLE mark (
    stream TEXT PRIMARY KEY, head INTEGER NOT NULL,
    seq INTEGER NOT NULL, start INTEGER NOT NULL, chain INTEGER NOT NULL,
    synced_seq INTEGER NOT NULL, synced_start INTEGER NOT NULL, synced_chain INTEGER NOT NULL,
    keys_to INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE key (
    stream TEXT NOT NULL, key TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (stream, key)
) WITHOUT ROWID;
CREATE TABLE snapshot (
    stream TEXT NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, chain INTEGER NOT NULL,
    content BLOB NOT NULL, PRIMARY KEY (stream, name)
);
CREATE TABLE checkpoint (
    stream TEXT NOT NULL, consumer TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (stream, consumer)
) WITHOUT ROWID;
PRAGMA user_version = %d;
COMMIT;
"""


class NotesFile(sqlite3.Connection):
    """The open file, and its single rows."""

    def read_mark(self, stream: str) -> OpenHint | None:
        """The open hint of a log."""
        row = self.execute("SELECT * FROM mark WHERE stream = ?", (stream,)).fetchone()
        return OpenHint(row[1], LogOffset(*row[2:5]), LogOffset(*row[5:8]), row[8]) if row else None

    def read_key(self, stream: str, key: str) -> tuple[int, int] | None:
        """The first and last record of a key's append."""
        query = "SELECT first, last FROM key WHERE stream = ? AND key = ?"
        row = self.execute(query, (stream, key)).fetchone()
        return (row[0], row[1]) if row else None

    def read_snapshot(self, stream: str, name: str) -> SnapshotRow | None:
        """A snapshot."""
        query = "SELECT seq, chain, content FROM snapshot WHERE stream = ? AND name = ?"
        row = self.execute(query, (stream, name)).fetchone()
        return SnapshotRow(*row) if row else None

    def read_checkpoint(self, stream: str, consumer: str) -> int | None:
        """How far a consumer has come."""
        query = "SELECT seq FROM checkpoint WHERE stream = ? AND consumer = ?"
        row = self.execute(query, (stream, consumer)).fetchone()
        return row[0] if row else None


def connect(path: str, *, make: bool) -> NotesFile | None:
    """Open the file; None if there is none, or one of another version, and `make` is false.

    Raises: sqlite3.Error, OSError.
    """
    if make:
        # SQLite gives its own files beside it the mode of this file.
        make_own(path)
    elif not Path(path).is_file():
        return None
    wait = WRITER_WAITS_S if make else READER_WAITS_S
    db = sqlite3.connect(path, timeout=wait, isolation_level=None, factory=NotesFile)
    try:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found == VERSION:
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA secure_delete = ON")
            return db
        if not make:
            db.close()
            return None
        if found or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError(f"{path} is of version {found}, not {VERSION}")
        _lay_out(db)
    except BaseException:
        db.close()
        raise
    return db


def _lay_out(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    # With NORMAL a power cut may lose the last batches but never mixes old pages with new ones; the
    # syncs, one in a thousand pages, are the writer's.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")  # a scrubbed secret may be in a snapshot
    db.executescript(_TABLES % VERSION)


def remove(path: str) -> None:
    """Remove the file and SQLite's files beside it. Raises: OSError."""
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.unlink(path + suffix)


def passes(error: sqlite3.Error) -> bool:
    """Whether an error is temporary, or a new file would not fix it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return (code & 0xFF) in _PASSING  # the primary code of an extended one


def write(db: sqlite3.Connection, batch: SidecarBatch) -> None:
    """Write a batch in one transaction. Raises: sqlite3.Error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for stream, checkpoints in batch.drops.items():
            _drop(db, stream, checkpoints)
        for stream, (hint, keying) in batch.hints.items():
            _set_hint(db, stream, hint, keying)
        db.executemany(
            "REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?)",
            [(*name, kept.seq, kept.chain, kept.content) for name, kept in batch.snapshots.items()],
        )
        db.executemany(
            "REPLACE INTO checkpoint VALUES (?, ?, ?)",
            [(*pair, seq) for pair, seq in batch.checkpoints.items()],
        )
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    if batch.drops:
        # Dropped rows may have secrets, which must not stay in SQLite's write-ahead log.
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _drop(db: sqlite3.Connection, stream: str, checkpoints: bool) -> None:
    tables = (
        ("mark", "key", "snapshot", "checkpoint") if checkpoints else ("mark", "key", "snapshot")
    )
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))


def _set_hint(db: sqlite3.Connection, stream: str, hint: OpenHint, keying: NotedKeys) -> None:
    if keying.after is None:
        db.execute("DELETE FROM key WHERE stream = ?", (stream,))
        keys_to = hint.durable.seq
    else:
        query = "SELECT head, keys_to FROM mark WHERE stream = ?"
        head, keys_to = db.execute(query, (stream,)).fetchone() or (hint.head, -1)
        if head != hint.head:
            db.execute("DELETE FROM key WHERE stream = ?", (stream,))
            keys_to = -1
        elif keying.after <= keys_to:
            keys_to = max(keys_to, hint.durable.seq)
    db.executemany(
        "INSERT OR IGNORE INTO key VALUES (?, ?, ?, ?)", [(stream, *span) for span in keying.spans]
    )
    db.execute(
        "REPLACE INTO mark VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (stream, hint.head, *_columns(hint.offset), *_columns(hint.durable), keys_to),
    )


def _columns(offset: LogOffset) -> tuple[int, int, int]:
    return offset.seq, offset.start, offset.chain
