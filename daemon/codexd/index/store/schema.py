"""The file of the index: its tables, opening it, and replacing it where it cannot be used. Touches the disk.

Law: nothing in it is truth. A file of another version, or a file that SQLite finds broken, is removed and a new file
is made; the caller does not notice.

A document's number holds its thread and its record: `no << 36 | seq << 2 | part`. So the full-text index alone
says which threads and which places a word is in, and all of a thread's documents are one range of numbers.

Texts are stored compressed: SQLite needs a document's text to remove it from the full-text index, and the log
may be gone by then. The view `said` has the plain texts.
"""

from __future__ import annotations

import contextlib
import functools
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from codexd.core.values.schema_hash import shape_of
from codexd.projections.summary import Summary
from codexd_eventstore.disk.files import make_own

if TYPE_CHECKING:
    import sqlite3

# A new number for every change of the tables' content, including the choice of documents.
VERSION: Final = 6
# Threads in one index, and records in one thread, that document numbers have room for: 2^27 and 2^34.
SEQ_BITS: Final = 36
PART_BITS: Final = 2
# How long a writer waits for the other process's transaction, which takes a tenth of that.
BUSY_SECONDS: Final = 5.0
# Pages that the log of unfinished changes may hold before they go to the file: 4 MiB; 64 after a large batch.
WAL_PAGES: Final = 1000
WAL_BYTES_MAX: Final = 64 * 1024 * 1024

# Shorter texts are kept as they are: packing them saves less than it costs.
PACKED_BYTES_MIN: Final = 256
# A window of 4 KiB and few tables: with zlib's own figures making room for them takes ten times as long as packing.
_LEVEL, _WINDOW, _MEMORY = 1, -12, 5

_TABLES: Final = """
CREATE TABLE thread(
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  archived INTEGER NOT NULL,
  path TEXT NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  place INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  source TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  cwd TEXT,
  provider TEXT,
  model TEXT,
  originator TEXT,
  parent TEXT,
  base INTEGER NOT NULL,
  name TEXT,
  named INTEGER NOT NULL,
  title TEXT NOT NULL,
  damage TEXT,
  works INTEGER NOT NULL,
  summary BLOB NOT NULL
);
CREATE INDEX thread_by_created ON thread(archived, listed, created, id);
CREATE INDEX thread_by_updated ON thread(archived, listed, updated, id);
CREATE INDEX thread_by_cwd ON thread(cwd, archived, listed, updated);
CREATE INDEX thread_by_name ON thread(name) WHERE name IS NOT NULL;
CREATE INDEX thread_by_parent ON thread(parent) WHERE parent IS NOT NULL;
CREATE INDEX thread_damaged ON thread(id) WHERE damage IS NOT NULL;
CREATE INDEX thread_with_work ON thread(id) WHERE works=1;
CREATE TABLE document(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, turn TEXT, item TEXT, text NOT NULL);
CREATE VIEW said AS SELECT id, kind, turn, item, plain(text) AS text FROM document;
CREATE TABLE doomed(no INTEGER PRIMARY KEY);
CREATE TABLE fact(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
# No column sizes: they serve a ranking by frequency, and hits are ranked by kind and age.
_WORDS: Final = """
CREATE VIRTUAL TABLE words USING fts5(
  text, content='said', content_rowid='id', columnsize=0, tokenize='unicode61 remove_diacritics 2'
)
"""

# What one transaction adds is one piece of the full-text index, and many pieces are joined at a time: with SQLite's
# own figures a new index is written several times over. A search looks into each piece, which takes microseconds.
_WORDS_SETTINGS: Final = {"hashsize": 16 * 1024 * 1024, "automerge": 16, "crisismerge": 32}

# What opening or using a broken file says (sqlite.org/rescode.html): the file is no use. Anything else, a full
# disk or a long transaction, passes by itself.
_CORRUPT, _NOT_A_DATABASE, _GENERAL = 11, 26, 1
_BROKEN_WORDS: Final = (
    "database disk image is malformed",
    "file is not a database",
    "Could not decode to UTF-8",
)
# What SQLite says, under its most general code, of a file that is whole and not ours.
_FOREIGN: Final = (
    "no such table",
    "no such column",
    "table thread has",
    "vtable constructor failed",
    "user-defined function raised exception",  # `plain`: the text is damaged
)


class Rotten(Exception):
    """A row is damaged, and SQLite does not notice: it keeps no checksums."""


def is_broken(error: Exception) -> bool:
    """Whether the file is useless, as opposed to a file that cannot be written just now."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    is_foreign = code == _GENERAL and str(error).startswith(_FOREIGN)
    # A virtual table says it of its own tables in words, under whatever code.
    is_said = str(error).startswith(_BROKEN_WORDS)
    return code in (_CORRUPT, _NOT_A_DATABASE) or is_foreign or is_said


def documents_of(no: int) -> tuple[int, int]:
    """The first and last number that a thread's documents may have."""
    return no << SEQ_BITS, (no + 1 << SEQ_BITS) - 1


def document_number(no: int, seq: int, part: int) -> int:
    """The number of a document: of which thread, from which record, and which of the record's."""
    return no << SEQ_BITS | seq << PART_BITS | part


def seq_of(number: int) -> int:
    """The record that a document is from."""
    return (number & (1 << SEQ_BITS) - 1) >> PART_BITS


def packed(text: str) -> str | bytes:
    """A text as the table of documents keeps it."""
    if len(text) < PACKED_BYTES_MIN:
        return text
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return packing.compress(text.encode()) + packing.flush()


def plain(kept: str | bytes) -> str:
    """The text again."""
    return kept if isinstance(kept, str) else zlib.decompress(kept, _WINDOW).decode()


def open_index(path: Path) -> sqlite3.Connection:
    """A connection to the index; the file is replaced by an empty one if it is missing, of another version or broken.

    Raises:
        sqlite3.Error, OSError: there is no space or no permission for a file.
    """
    import sqlite3

    try:
        return _opened(path)
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
        remove_index(path)
        return _opened(path)


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing. Raises: sqlite3.Error."""
    connection = _connect(path)
    try:
        connection.execute("PRAGMA query_only=1")
    except BaseException:
        connection.close()
        raise
    return connection


def remove_index(path: Path) -> None:
    """Throw it away."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")


def is_whole(connection: sqlite3.Connection) -> bool:
    """Whether SQLite finds nothing wrong with the file; reads all of it."""
    import sqlite3

    try:
        rows = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError:
        return False
    return rows == [("ok",)]


def has_words(connection: sqlite3.Connection) -> bool:
    """Whether there is a full-text index: not every build of SQLite can keep one."""
    query = "SELECT 1 FROM sqlite_master WHERE name='words'"
    return connection.execute(query).fetchone() is not None


def fact(connection: sqlite3.Connection, name: str) -> int:
    """A number that was noted about the index as a whole; 0 where none was."""
    row = connection.execute("SELECT value FROM fact WHERE name=?", (name,)).fetchone()
    return int(row[0]) if row is not None else 0


def note(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Note a number about the index as a whole."""
    connection.execute("INSERT OR REPLACE INTO fact VALUES(?, ?)", (name, value))


def _opened(path: Path) -> sqlite3.Connection:
    # Made by us, so that no other user can read it from its first byte on; SQLite keeps the mode for its other files.
    make_own(path)
    connection = _connect(path)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != _version():
            if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None:
                connection.close()
                remove_index(path)
                return _opened(path)
            _make(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@functools.cache
def _version() -> int:
    """The version in a file of this program: a summary with a new member changes it."""
    return zlib.crc32(f"{VERSION} {shape_of(Summary)}".encode()) & 0x7FFF_FFFF


def _connect(path: Path) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES_MAX}")
        connection.create_function("plain", 1, plain, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: sqlite3.Connection) -> None:
    import sqlite3

    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Two processes may open a new file at once; the second finds the first's work.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == _version():
            return
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute(_WORDS)  # no such module: searching then reads every document
            connection.executemany(
                "INSERT INTO words(words, rank) VALUES(?, ?)", _WORDS_SETTINGS.items()
            )
        connection.execute(f"PRAGMA user_version={_version()}")


# Since when a whole comparison has been made of this file; kept in it.
COMPLETE: Final = "complete"
