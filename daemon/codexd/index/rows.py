"""The row of a thread: what the index keeps of it, and how that is written."""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.projections.threads import Summary

SUMMARIES = msgspec.msgpack.Decoder(Summary)
encode_summary = msgspec.msgpack.Encoder().encode


class Known(msgspec.Struct):
    """What the index has of a thread."""

    id: str
    no: int = 0  # 0: no row of its own yet
    archived: bool = False
    path: str = ""
    size: int = -1
    mtime: int = -1
    place: int = 0  # in the file, behind the last record that was taken in
    seq: int = 0
    crc: int = -1
    named: int = 0  # the number of the document that holds its present name
    damage: str | None = None
    base: int = 0  # the record in front of its own first: where it was forked
    summary: Summary = msgspec.field(default_factory=Summary)
    parent: str | None = None  # that it was forked from
    void: bool = False  # nothing of it counts any more
    replaces: tuple[int, int, int] | None = None  # number, seq and crc of a void row
    lost: bool = False  # another process was faster


COLUMNS: Final = (
    "archived, path, size, mtime, place, seq, crc, listed, created, updated, cwd, provider, model, originator,"
    " parent, base, name, title, damage, summary"
)
UPDATE: Final = (
    f"UPDATE thread SET ({COLUMNS}) = ({', '.join('?' * (COLUMNS.count(',') + 1))})"
    " WHERE no=? AND seq=? AND crc=?"
)
INSERT: Final = (
    f"INSERT INTO thread(id, named, {COLUMNS})"
    f" VALUES(?, 0, {', '.join('?' * (COLUMNS.count(',') + 1))})"
)
NAME_COLUMN: Final = [one.strip() for one in COLUMNS.split(",")].index("name")


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
        started is not None and known.damage is None and not summary.hidden,
        summary.created_ms,
        summary.updated_ms,
        settings.cwd if settings is not None else None,
        settings.provider if settings is not None else None,
        settings.model if settings is not None else None,
        started.originator if started is not None else None,
        known.parent or summary.forked_from,
        known.base,
        summary.name,
        title_of(summary),
        known.damage,
        encode_summary(summary),
    )


def title_of(summary: Summary) -> str:
    """What a list's search term is looked for in: name and beginning, without upper and lower case."""
    return f"{summary.name or ''}\n{summary.preview}".casefold()
