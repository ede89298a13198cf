"""Searching the index: threads in a list's order, each with its hits. Reads the disk.

With FTS5 the full-text index finds the documents; without it every document is read and compared by the same rules,
which takes longer and finds the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from codexd.index.build.documents import ANSWER, KINDS, PROMPT, TURN
from codexd.index.query.listing import ListCursor, Row, SortKey, Wanted, row_of
from codexd.index.query.terms import Phrase, Snippet, as_match, cut_around, is_in, snippet_of
from codexd.index.store.schema import (
    PART_BITS,
    SEQ_BITS,
    document_number,
    documents_of,
    has_words,
    seq_of,
)

if TYPE_CHECKING:
    import sqlite3

# Hits shown of a thread; the rest is in the thread itself.
HITS_MAX: Final = 5
# The shown hits are chosen from this many of the newest: a common word is in every document of a long thread.
HITS_LOOKED_AT_MAX: Final = 500


class Hit(msgspec.Struct, frozen=True):
    """A place in a thread."""

    seq: int
    kind: str
    turn: str | None
    item: str | None
    snippet: Snippet
    begun: int | None = None  # of a prompt: where its turn begins, if that has begun


class FoundThread(msgspec.Struct, frozen=True):
    """A thread, and where in it."""

    row: Row
    hits: tuple[Hit, ...]


class Occurrence(msgspec.Struct, frozen=True):
    """One place in a message."""

    seq: int
    nth: int  # in its message
    turn: str
    turn_seq: int  # where its turn begins
    item: str
    snippet: Snippet

    @property
    def cursor(self) -> ListCursor:
        return ListCursor(self.seq, f"{self.nth:08d}")


def found_threads(
    connection: sqlite3.Connection,
    phrases: Sequence[Phrase],
    wanted: Wanted,
    key: SortKey,
    *,
    kinds: Sequence[str] = (),
    upwards: bool = False,
    start: ListCursor | None = None,
    limit: int,
) -> list[FoundThread]:
    """The threads that have it, from a place on. Raises: sqlite3.Error."""
    search = _Search(connection, phrases, kinds)
    page, values = wanted.page(key, start, limit, upwards=upwards)
    rows = connection.execute(
        f"WITH found AS MATERIALIZED (SELECT DISTINCT {search.number} >> {SEQ_BITS} AS no FROM {search.tables})"
        f" SELECT thread.no, id, summary, path, damage FROM found CROSS JOIN thread USING(no) {page}",
        (*search.values, *values),
    ).fetchall()
    return [FoundThread(row_of(*row[1:]), search.hits(row[0])) for row in rows]


class _Search:
    """The part of a query that says which documents are meant."""

    def __init__(
        self, connection: sqlite3.Connection, phrases: Sequence[Phrase], kinds: Sequence[str]
    ) -> None:
        self._connection, self._phrases = connection, phrases
        self._has_words = has_words(connection)
        numbers = [KINDS.index(kind) for kind in kinds]
        condition = f" AND document.kind IN ({', '.join(map(str, numbers))})" if kinds else ""
        self.values: tuple[object, ...] = ()
        if self._has_words:
            self.number, self.values = "words.rowid", (as_match(phrases),)
            joined = " JOIN document ON document.id=words.rowid" if kinds else ""
            self.tables = f"words{joined} WHERE words MATCH ?{condition}"
        else:
            connection.create_function(
                "is_meant", 1, lambda text: is_in(phrases, text), deterministic=True
            )
            self.number = "document.id"
            self.tables = f"said AS document WHERE is_meant(document.text){condition}"

    def hits(self, no: int) -> tuple[Hit, ...]:
        """The best hits in a thread: by kind, and the newest first."""
        numbers = self._connection.execute(
            f"SELECT {self.number} FROM {self.tables} AND {self.number} BETWEEN ? AND ?"
            f" ORDER BY {self.number} DESC LIMIT ?",
            (*self.values, *documents_of(no), HITS_LOOKED_AT_MAX),
        ).fetchall()
        rows = self._connection.execute(
            "SELECT id, kind, turn, item FROM document WHERE id IN"
            f" ({', '.join(str(row[0]) for row in numbers)}) ORDER BY kind, id DESC"
        )
        chosen: dict[tuple[int, str], tuple[int, int, str | None, str | None]] = {}
        for row in rows:
            # A command that was approved and then ran has two documents.
            chosen.setdefault((row[1], row[3] or str(row[0])), row)
            if len(chosen) == HITS_MAX:
                break
        return tuple(self._hit(*row) for row in chosen.values())

    def _hit(self, number: int, kind: int, turn: str | None, item: str | None) -> Hit:
        query = "SELECT text FROM said WHERE id=?"
        (text,) = self._connection.execute(query, (number,)).fetchone()
        snippet, begun = snippet_of(self._phrases, text), None
        if kind == PROMPT and turn is not None:
            begun = _turn_start(self._connection, number >> SEQ_BITS, number, turn)
        return Hit(seq_of(number), KINDS[kind], turn, item, snippet, begun)


def occurrences(
    connection: sqlite3.Connection, stream: str, term: str, start: ListCursor | None
) -> Iterator[Occurrence]:
    """The occurrences of a text in a thread's messages, in any case, oldest first.

    Raises:
        KeyError: the index has no such thread.
        sqlite3.Error
    """
    pattern = re.compile(re.escape(term), re.IGNORECASE)
    for no, last in _lineage(connection, stream):
        rows = connection.execute(
            "SELECT id, turn, item, text FROM said WHERE id BETWEEN ? AND ? AND kind IN (?, ?) ORDER BY id",
            (
                document_number(no, start.key if start is not None else 0, 0),
                document_number(no, last, (1 << PART_BITS) - 1),
                PROMPT,
                ANSWER,
            ),
        )
        for number, turn, item, text in rows:
            for nth, found in enumerate(pattern.finditer(text)):
                cursor = ListCursor(seq_of(number), f"{nth:08d}")
                if start is not None and cursor <= start:
                    continue
                begun = _turn_start(connection, no, number, turn)
                if begun is not None:
                    snippet = cut_around(text, [found.span()])
                    yield Occurrence(cursor.key, nth, turn, begun, item, snippet)


def _lineage(connection: sqlite3.Connection, stream: str) -> list[tuple[int, int]]:
    """A thread and those that it was forked from, oldest first: number, and the last record that counts."""
    line: list[tuple[int, int]] = []
    last = 1 << SEQ_BITS - PART_BITS
    name: str | None = stream
    while name is not None:
        query = "SELECT no, seq, base, parent FROM thread WHERE id=?"
        row = connection.execute(query, (name,)).fetchone()
        if row is None:
            if not line:
                raise KeyError(stream)
            break
        line.append((row[0], min(last, row[1])))
        last, name = min(last, row[2]), row[3]
        if last == 0:
            break
    return line[::-1]


def _turn_start(connection: sqlite3.Connection, no: int, number: int, turn: str) -> int | None:
    """The record at which a document's turn begins: before an answer, after a prompt that waited for its turn."""
    first, last = documents_of(no)
    for condition, order in (("<=", "DESC"), (">", "ASC")):
        row = connection.execute(
            f"SELECT id FROM document WHERE id BETWEEN ? AND ? AND kind=? AND id {condition} ? AND turn=?"
            f" ORDER BY id {order} LIMIT 1",
            (first, last, TURN, number, turn),
        ).fetchone()
        if row is not None:
            return seq_of(row[0])
    return None
