"""Comparing the index with the folders, and indexing the logs that differ, newest change first. Touches the disk.

Memory is bounded: the list of logs is a table in SQLite's own temporary file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from codexd.index.build.writer import Writer
from codexd.index.store.schema import COMPLETE, fact, note
from codexd_eventstore.log_reader import LogReader

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)

# Rows that are looked at together.
ROWS_AT_ONCE: Final = 1000
# The first threads of a rebuild are committed in small portions, for the first page of a list.
FIRST_THREADS: Final = 200
FIRST_PORTION: Final = 50
# The others are committed in larger portions; the progress is reported after each.
PORTION: Final = 400
# A log that takes a second or more by itself: a list without it is better than none.
LARGE_BYTES: Final = 32 * 1024 * 1024


class Progress(msgspec.Struct, frozen=True):
    """How far a comparison has come."""

    done: int  # threads that agree with their logs
    total: int  # 0: not counted yet
    records: int = 0
    damaged: dict[str, str] = {}  # found since the last report

    @property
    def ended(self) -> bool:
        return 0 < self.total <= self.done


class Differences:
    """The difference between the folders and the index, from one look at both."""

    def __init__(self, connection: sqlite3.Connection, logs: LogReader) -> None:
        self._connection = connection
        connection.execute("PRAGMA temp_store=FILE")
        connection.execute("DROP TABLE IF EXISTS temp.found")
        connection.execute(
            "CREATE TEMP TABLE found(id TEXT PRIMARY KEY, path TEXT, archived INTEGER,"
            " size INTEGER, mtime INTEGER) WITHOUT ROWID"
        )
        connection.execute("BEGIN")
        self.total = 0
        streams = logs.streams()
        while some := list(islice(streams, ROWS_AT_ONCE)):
            # A log that is being moved may be seen in both places.
            connection.executemany(
                "INSERT OR IGNORE INTO temp.found VALUES(?, ?, ?, ?, ?)",
                [
                    (log.stream, log.path or "", log.archived, log.size_bytes, log.modified_us)
                    for log in some
                ],
            )
        (self.total,) = connection.execute("SELECT count(*) FROM temp.found").fetchone()
        connection.execute("DROP TABLE IF EXISTS temp.behind")
        connection.execute(
            "CREATE TEMP TABLE behind AS SELECT found.id, found.size FROM temp.found LEFT JOIN thread USING(id)"
            " WHERE thread.no IS NULL OR (thread.path, thread.archived, thread.size, thread.mtime)"
            " IS NOT (found.path, found.archived, found.size, found.mtime)"
            " ORDER BY found.size > ?, found.mtime DESC",
            (LARGE_BYTES,),
        )
        connection.execute("COMMIT")
        count, size = connection.execute("SELECT count(*), sum(size) FROM temp.behind").fetchone()
        self.count, self.size = int(count), int(size or 0)

    def changed(self) -> Iterator[str]:
        """The streams that differ: the newest change first, and large logs after all others."""
        last = 0
        while True:
            rows = self._connection.execute(
                "SELECT rowid, id FROM temp.behind WHERE rowid > ? ORDER BY rowid LIMIT ?",
                (last, ROWS_AT_ONCE),
            ).fetchall()
            if not rows:
                return
            yield from (row[1] for row in rows)
            last = rows[-1][0]

    def gone(self) -> list[str]:
        query = "SELECT id FROM thread WHERE id NOT IN (SELECT id FROM temp.found)"
        return [row[0] for row in self._connection.execute(query)]


def reconcile(
    connection: sqlite3.Connection,
    logs: LogReader,
    report: Callable[[Progress], None] = lambda _: None,
    *,
    only: Iterable[str] | None = None,
) -> None:
    """Bring the index up to the folders, or to these streams' logs.

    Raises:
        sqlite3.Error: committed batches stay, and the next comparison continues from there.
    """
    writer = Writer(connection, logs)
    if only is not None:
        wanted = list(only)
        _take_all(writer, wanted, len(wanted), 0, report)
    else:
        if not fact(connection, COMPLETE):
            _take_newest(writer, logs, report)
        differences = Differences(connection, logs)
        for stream in differences.gone():
            take_or_complain(writer, stream)
        known = differences.total - differences.count
        _take_all(writer, differences.changed(), differences.total, known, report)
        if not fact(connection, COMPLETE):
            note(connection, COMPLETE, 1)
    while writer.sweep():
        pass


def _take_newest(writer: Writer, logs: LogReader, report: Callable[[Progress], None]) -> None:
    """The first page of a list comes before all logs are even counted."""
    for number, stream in enumerate(logs.newest(FIRST_THREADS)[:FIRST_THREADS], 1):
        take_or_complain(writer, stream, bytes_max=LARGE_BYTES)
        if number % FIRST_PORTION == 0:
            writer.flush()
            report(Progress(number, 0, writer.records, _taken_out(writer.damaged)))
    writer.flush()


def _take_all(
    writer: Writer,
    streams: Iterable[str],
    total: int,
    done: int,
    report: Callable[[Progress], None],
) -> None:
    report(Progress(done, total))
    for stream in streams:
        take_or_complain(writer, stream)
        done += 1
        if done % PORTION == 0:
            writer.flush()
            report(Progress(done, total, writer.records, _taken_out(writer.damaged)))
    while writer.orphaned:
        take_or_complain(writer, writer.orphaned.pop(), refill=True)
    writer.flush()
    report(Progress(max(done, total), total, writer.records, _taken_out(writer.damaged)))


def take_or_complain(
    writer: Writer, stream: str, *, refill: bool = False, bytes_max: int | None = None
) -> None:
    """Index a thread; a log that cannot be read is reported and delays no other. Raises: sqlite3.Error."""
    try:
        writer.take(stream, refill=refill, bytes_max=bytes_max)
    except OSError as error:
        log.warning("thread %s is not indexed: %s", stream, error)


def _taken_out(damaged: dict[str, str]) -> dict[str, str]:
    taken = dict(damaged)
    damaged.clear()
    return taken
