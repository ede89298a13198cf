"""Lists from the index: which threads, in which order, from which cursor. Reads the disk.

Law: the order is by (key, id), and a page begins strictly after such a pair, so threads that come or go meanwhile
neither repeat nor hide another. The filter of a list is one value, with the same meaning for rows of the index and
for threads in memory (`Wanted.has`).
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from codexd.core.values.ids import ThreadId
from codexd.core.values.session_source import INTERACTIVE, kind_of
from codexd.index.build.rows import SUMMARIES, made_ms, title_of
from codexd.index.store.schema import Rotten
from codexd.projections.summary import Summary

if TYPE_CHECKING:
    import sqlite3

SortKey = Literal["created", "updated"]

# Before and after every id.
FIRST_ID, LAST_ID = "", "~"
# Of folders that threads work in: a person has some hundreds.
FOLDERS_MAX: Final = 10_000
# The first byte of a cursor: a new number when a cursor of before would mean something else.
_CURSOR_VERSION: Final = 1


class InvalidCursor(ValueError):
    """The cursor is none of ours, or belongs to another list."""


class ListCursor(msgspec.Struct, frozen=True, order=True):
    """A place in a list."""

    key: int  # Unix ms
    id: str


class Row(msgspec.Struct, frozen=True):
    """One thread of a list."""

    thread_id: ThreadId
    summary: Summary
    path: str | None
    damage: str | None = None  # why its log does not read to its end: what is known of it is above

    def cursor(self, key: SortKey) -> ListCursor:
        summary = self.summary
        at_ms = summary.created_ms if key == "created" else summary.updated_ms
        return ListCursor(at_ms or made_ms(self.thread_id), self.thread_id)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which threads a list shows."""

    archived: bool = False
    providers: tuple[str, ...] = ()  # these; none: all
    cwds: tuple[str, ...] | None = None  # these exactly; None: all
    term: str = ""  # in name or preview, in upper or lower case
    sources: tuple[str, ...] = INTERACTIVE  # of these kinds; none: all
    originators: tuple[str, ...] = ()  # made by these clients; none: all
    excluded: tuple[str, ...] = ()
    included: tuple[str, ...] | None = None  # of these alone; None: of all
    meant: str = ""  # a prefix of its id, or its name
    nobody: bool = False  # the filter asks for a property that no thread of codexd has

    def has(self, row: Row) -> bool:
        """Whether a thread is shown; the caller checks `archived`."""
        settings, started = row.summary.settings, row.summary.started
        is_begun = settings is not None and started is not None and row.summary.begun
        if not (is_begun or row.damage) or row.summary.hidden or self.nobody:
            return False
        if self.sources and kind_of(row.summary.source) not in self.sources:
            return False
        name = row.summary.name
        provider, cwd = (settings.provider, settings.cwd) if settings is not None else (None, None)
        originator = started.originator if started is not None else None
        return (
            (not self.providers or provider in self.providers)
            and (self.cwds is None or cwd in self.cwds)
            and self.term.casefold() in title_of(row.summary)
            and (not self.originators or originator in self.originators)
            and row.thread_id not in self.excluded
            and (self.included is None or row.thread_id in self.included)
            and (
                not self.meant or row.thread_id.startswith(self.meant.lower()) or name == self.meant
            )
        )

    def print(self, key: SortKey) -> bytes:
        """A hash of the filter and the order."""
        return hashlib.sha256(msgspec.msgpack.encode((self, key))).digest()[:8]

    def page(
        self, key: SortKey, start: ListCursor | None, limit: int, *, upwards: bool
    ) -> tuple[str, list[object]]:
        """A page of the list: what follows `FROM thread` in a query, and its values."""
        # Where few threads are meant the order's index would be the long way: the signs keep it away.
        sign = "+" if self.meant or self.included is not None else ""
        parts: list[str] = [f"{sign}thread.archived=? AND {sign}thread.listed=1"]
        values: list[object] = [self.archived]

        def among(column: str, several: tuple[str, ...], word: str = "IN") -> None:
            parts.append(f"thread.{column} {word} ({', '.join('?' * len(several))})")
            values.extend(several)

        for column, several in (
            ("provider", self.providers or None),
            ("originator", self.originators or None),
            ("source", self.sources or None),
            ("cwd", self.cwds),
            ("id", self.included),
        ):
            if several is not None:
                among(column, several)
        if self.excluded:
            among("id", self.excluded, "NOT IN")
        if self.term:
            parts.append("instr(thread.title, ?)")
            values.append(self.term.casefold())
        if self.meant:
            # The few that are meant are found first, and put into order then.
            parts.append(
                "thread.no IN (SELECT no FROM thread WHERE id BETWEEN ? AND ?"
                " UNION ALL SELECT no FROM thread WHERE name=?)"
            )
            values += [self.meant.lower(), self.meant.lower() + LAST_ID, self.meant]
        if self.nobody:
            parts.append("0")
        if start is not None:
            parts.append(f"(thread.{key}, thread.id) {'>' if upwards else '<'} (?, ?)")
            values += [start.key, start.id]
        return f"WHERE {' AND '.join(parts)} {_order(key, upwards)}", [*values, limit]


def _order(key: SortKey, upwards: bool) -> str:
    order = "ASC" if upwards else "DESC"
    return f"ORDER BY thread.{key} {order}, thread.id {order} LIMIT ?"


def page_of_rows(
    connection: sqlite3.Connection,
    wanted: Wanted,
    key: SortKey,
    *,
    upwards: bool,
    start: ListCursor | None,
    limit: int,
) -> list[Row]:
    """So many threads from a place on. Raises: sqlite3.Error."""
    page, values = wanted.page(key, start, limit, upwards=upwards)
    # A search's term is rare among threads: it goes by the order; so does everything but a folder or a name.
    found = connection.execute(f"SELECT id, summary, path, damage FROM thread {page}", values)
    return [row_of(*row) for row in found]


def row_of(thread_id: str, summary: bytes, path: str, damage: str | None) -> Row:
    """A row as the index keeps it. Raises: Rotten."""
    try:
        return Row(ThreadId(thread_id), SUMMARIES.decode(summary), path, damage)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rotten(f"the row of thread {thread_id}: {error}") from error


def count(connection: sqlite3.Connection, *, archived: bool = False) -> int:
    """How many threads a list without conditions has. Raises: sqlite3.Error."""
    query = "SELECT count(*) FROM thread WHERE archived=? AND listed=1"
    return int(connection.execute(query, (archived,)).fetchone()[0])


def folders(connection: sqlite3.Connection) -> set[str]:
    """The working directories of all threads. Raises: sqlite3.Error."""
    query = "SELECT DISTINCT cwd FROM thread WHERE cwd IS NOT NULL LIMIT ?"
    return {row[0] for row in connection.execute(query, (FOLDERS_MAX,))}


def damaged(connection: sqlite3.Connection, limit: int) -> list[tuple[str, str]]:
    """Threads with damaged logs, and why. Raises: sqlite3.Error."""
    query = "SELECT id, damage FROM thread WHERE damage IS NOT NULL ORDER BY id DESC LIMIT ?"
    return list(connection.execute(query, (limit,)))


def with_work(connection: sqlite3.Connection) -> list[str]:
    """Threads with logs that end in the middle of a turn, or with queued inputs, oldest first.

    Raises: sqlite3.Error.
    """
    query = "SELECT id FROM thread WHERE works=1 AND damage IS NULL ORDER BY id"
    return [row[0] for row in connection.execute(query)]


def write_cursor(print_: bytes, cursor: ListCursor) -> str:
    """A position in a list, for a client to keep."""
    content = bytes([_CURSOR_VERSION]) + print_ + cursor.key.to_bytes(8, "big") + cursor.id.encode()
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def read_cursor(print_: bytes, text: str) -> ListCursor:
    """The position in a client's cursor. Raises: InvalidCursor."""
    try:
        content = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        cursor = ListCursor(int.from_bytes(content[9:17], "big"), content[17:].decode())
    except ValueError as error:
        raise InvalidCursor(_none_of_ours(text)) from error
    if len(content) < 17 or content[0] != _CURSOR_VERSION:
        raise InvalidCursor(_none_of_ours(text))
    if content[1:9] != print_:
        raise InvalidCursor(
            "invalid cursor: expected one from an earlier page of the same list, found one of a list with other"
            " filters or another order; nothing was listed"
        )
    return cursor


def _none_of_ours(cursor: str) -> str:
    return f"invalid cursor: expected one from an earlier page of this list, found {cursor[:80]!r}"
