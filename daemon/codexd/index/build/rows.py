"""The row of a thread: what the index keeps of it, and how that is written."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from codexd.core.values.session_source import kind_of
from codexd.projections.summary import Summary
from codexd_eventstore.event_log import StreamEntry
from codexd_eventstore.log_reader import LogCursor, is_old

SUMMARIES = msgspec.msgpack.Decoder(Summary)
encode_summary = msgspec.msgpack.Encoder().encode


# Of a log with whole records only.
NO_BEGINNING: Final = "none of its records says that it was begun"


class Known(msgspec.Struct):
    """The index's row of a thread."""

    id: str
    no: int = 0  # 0: no row of its own yet
    archived: bool = False
    path: str = ""
    size: int = -1
    mtime: int = -1
    place: int = 0  # byte offset in the file, after the last indexed record
    seq: int = 0
    crc: int = -1
    named: int = 0  # the number of the document that holds its present name
    damage: str | None = None
    base: int = 0  # the record before its own first record: where it was forked
    summary: Summary = msgspec.field(default_factory=Summary)
    parent: str | None = None  # that it was forked from
    void: bool = False  # nothing of it counts any more
    replaces: tuple[int, int, int] | None = None  # number, seq and crc of a void row
    lost: bool = False  # another process was faster

    @property
    def cursor(self) -> LogCursor:
        """The position up to which its log is indexed."""
        return LogCursor(self.seq, self.place, self.crc)

    def go_to(self, cursor: LogCursor) -> None:
        """Its log is indexed up to this position."""
        self.seq, self.place, self.crc = cursor.seq, cursor.offset, cursor.crc


COLUMNS: Final = (
    "archived, path, size, mtime, place, seq, crc, listed, source, created, updated, cwd, provider, model, originator,"
    " parent, base, name, title, damage, works, summary"
)
UPDATE: Final = (
    f"UPDATE thread SET ({COLUMNS}) = ({', '.join('?' * (COLUMNS.count(',') + 1))})"
    " WHERE no=? AND seq=? AND crc=?"
)
INSERT: Final = (
    f"INSERT INTO thread(id, named, {COLUMNS})"
    f" VALUES(?, 0, {', '.join('?' * (COLUMNS.count(',') + 1))})"
)
NAME_COLUMN: Final = [column.strip() for column in COLUMNS.split(",")].index("name")


def values_of(known: Known) -> tuple[object, ...]:
    """The row's columns, in the order of `COLUMNS`."""
    summary, settings, started = known.summary, known.summary.settings, known.summary.started
    return (
        known.archived,
        known.path,
        known.size,
        known.mtime,
        known.place,
        known.seq,
        known.crc,
        ((started is not None and summary.begun) or _is_damaged_thread(known))
        and not summary.hidden,
        kind_of(summary.source),
        summary.created_ms or made_ms(known.id),
        summary.updated_ms or made_ms(known.id),
        settings.cwd if settings is not None else None,
        settings.provider if settings is not None else None,
        settings.model if settings is not None else None,
        started.originator if started is not None else None,
        known.parent or summary.forked_from,
        known.base,
        summary.name,
        title_of(summary),
        known.damage,
        summary.has_work,
        encode_summary(summary),
    )


def _is_damaged_thread(known: Known) -> bool:
    return known.damage is not None and is_thread(known.id)


def made_ms(stream: str) -> int:
    """When a stream was made, by its name; Unix ms. 0 for a name without a time."""
    try:
        return uuid.UUID(stream).int >> 80
    except ValueError:
        return 0


def is_thread(stream: str) -> bool:
    """Whether a stream is a thread's: the daemon has a stream of its own too."""
    return made_ms(stream) > 0


def nothing_known(found: StreamEntry, known: Known) -> str | None:
    """Why a thread is in no list though its log has no broken record; None where it is in one."""
    if known.place == 0:
        return nothing_read(found)
    if known.summary.started is None and known.place >= found.size_bytes and is_thread(known.id):
        return NO_BEGINNING
    return None


def nothing_read(found: StreamEntry) -> str | None:
    """The problem of a log without a readable record; None while it may still be written."""
    return f"no record in {found.path} can be read" if is_old(found) else None


def title_of(summary: Summary) -> str:
    """The text that a list's search term is looked for in: name and beginning, case-folded."""
    return f"{summary.name or ''}\n{summary.preview}".casefold()


def successor(stream: str, before: Known | None) -> Known:
    """An empty row that replaces a thread's old row."""
    known = Known(stream)
    if before is not None and before.no:
        known.replaces = (before.no, before.seq, before.crc)
    return known
