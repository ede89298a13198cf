"""Logs as files, and an index beside them: for tests that compare the two."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from codexd.core.events.events import Event, encode_event
from codexd.core.events.record import encode_members
from codexd.index.build.documents import KINDS
from codexd.index.build.reconcile import Progress, reconcile
from codexd.index.query.listing import Row, Wanted, page_of_rows
from codexd.index.query.search import FoundThread, found_threads
from codexd.index.query.terms import read_term
from codexd.index.store.schema import open_index, seq_of
from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.format.lines import Origin, chain_start, crc_of, frame, origin_at
from codexd_eventstore.log.file_reader import LogFiles
from codexd_eventstore.log_reader import LogReader
from codexd_eventstore.store import NewEvent, Record

# 2026-11-21T03:00:00Z
NOON_US = 1_795_230_000_000_000

Said = tuple[str, int, str]  # kind, seq, text


def stream(number: int) -> str:
    """A UUIDv7 of that time."""
    stamp = f"{NOON_US // 1000 + number:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number:012x}"


class LogFile:
    """A log that tests write."""

    def __init__(self, home: Path, name: str, *, origin: Origin | None = None) -> None:
        self.name, self.home, self.origin = name, home, origin
        self.path = Path(Layout(FileSystem(), str(home)).log(name))
        self.records: list[Record] = []
        self._base = origin.seq if origin is not None else 0
        self.beginning = origin.chain if origin is not None else chain_start(name)
        self._chain = self.beginning

    def add(self, *events: Event, turn: str | None = None) -> LogFile:
        """Append events, each by itself."""
        members = encode_members(None, turn)
        return self.add_raw(
            *(NewEvent(event.type, encode_event(event), event.v, members) for event in events)
        )

    def add_raw(self, *events: NewEvent) -> LogFile:
        """Append what may be no event that anybody knows, each by itself."""
        lines = []
        for new in events:
            seq = self._base + len(self.records)
            origin = self.origin if not self.records else None
            (record,) = frame(
                [new], after=seq, chain=self._chain, at_us=NOON_US + seq * 1000, origin=origin
            )
            self.records.append(record)
            self._chain = crc_of(record.line)
            lines.append(record.line + b"\n")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(b"".join(lines))
        return self

    def fork(self, name: str, at_seq: int) -> LogFile:
        """A log that shares the records up to there."""
        crc = crc_of(self.records[at_seq - self._base - 1].line)
        return LogFile(self.home, name, origin=origin_at(self.name, at_seq, crc))

    def archive(self) -> None:
        """Move it."""
        target = self.home / "archived" / self.path.name
        target.parent.mkdir(exist_ok=True)
        os.replace(self.path, target)
        self.path = target


class Indexed:
    """An index that is brought up to the logs when it is told to."""

    def __init__(self, home: Path, path: Path) -> None:
        self.path = path
        self.logs: LogReader = LogFiles(home)
        self.connection = open_index(path)
        self.told: list[Progress] = []

    def catch_up(self, only: Iterable[str] | None = None) -> Indexed:
        """Compare with the folders, and take in what differs."""
        reconcile(self.connection, self.logs, self.told.append, only=only)
        return self

    @property
    def rows(self) -> list[Row]:
        """All threads, archived ones last, the oldest first."""
        return [row for archived in (False, True) for row in self.page(Wanted(archived=archived))]

    def damage(self, name: str) -> str | None:
        """What is wrong with a log."""
        query = "SELECT damage FROM thread WHERE id=?"
        found: str | None = self.connection.execute(query, (name,)).fetchone()[0]
        return found

    def page(self, wanted: Wanted) -> list[Row]:
        """A whole list."""
        return page_of_rows(
            self.connection, wanted, "created", upwards=True, start=None, limit=10_000
        )

    def said(self, name: str) -> list[Said]:
        """What can be found of a thread."""
        rows = self.connection.execute(
            "SELECT said.id, kind, text FROM said JOIN thread ON said.id >> 36 = no"
            " WHERE thread.id=? AND text<>'' ORDER BY said.id",
            (name,),
        )
        return [(KINDS[kind], seq_of(number), text) for number, kind, text in rows]

    def search(self, typed: str, kinds: Sequence[str] = ()) -> list[FoundThread]:
        """What is found."""
        return found_threads(
            self.connection, read_term(typed), Wanted(), "created", kinds=kinds, limit=100
        )

    def found(self, typed: str) -> list[Said]:
        """The places that are found, of all threads."""
        return [
            (hit.kind, hit.seq, hit.snippet.text)
            for thread in self.search(typed)
            for hit in thread.hits
        ]

    def contents(self) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        """All rows and all documents, without what a second index of the same logs has otherwise."""
        threads = self.connection.execute(
            "SELECT id, archived, path, size, place, seq, crc, listed, created, updated, cwd, provider, model,"
            " originator, parent, base, name, title, damage, summary FROM thread ORDER BY id"
        ).fetchall()
        documents = self.connection.execute(
            "SELECT thread.id, said.id & ((1 << 36) - 1), kind, turn, item, text FROM said"
            " JOIN thread ON said.id >> 36 = no ORDER BY 1, 2"
        ).fetchall()
        return threads, documents

    def check_words(self) -> None:
        """Raises: sqlite3.DatabaseError, if the full-text index does not agree with the documents."""
        for (number,) in self.connection.execute("SELECT no FROM doomed").fetchall():
            raise AssertionError(f"{number} is still to be swept")
        texts = self.connection.execute("SELECT count(*) FROM said WHERE text<>''").fetchone()
        words = self.connection.execute("SELECT count(*) FROM words").fetchone()
        assert words >= texts
        self.connection.execute("INSERT INTO words(words) VALUES('integrity-check')")


@contextmanager
def indexed(home: Path, path: Path) -> Iterator[Indexed]:
    """An index of the logs below `home`."""
    index = Indexed(home, path)
    try:
        yield index
    finally:
        index.connection.close()
