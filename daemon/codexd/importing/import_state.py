"""The import state of a rollout's thread: not here, imported, cut off, continued here, or not an import. I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.events import events as e
from codexd.core.events.record import decode_record
from codexd_eventstore.event_log import EventLog, NotFound
from codexd_eventstore.reading import records, records_back

IMPORT_BY = "import:"
# Events that do not count as a continuation of an imported thread.
_ASIDE = (
    e.ThreadRenamed,
    e.ThreadArchived,
    e.ThreadUnarchived,
    e.SettingsChanged,
    e.LogRepaired,
    e.ThreadTakenIn,
    e.ThreadWarned,
)

Kind = Literal["absent", "imported", "cut_off", "continued", "foreign"]


class ImportState(msgspec.Struct, frozen=True):
    """The thread that is stored under the id."""

    kind: Kind
    version: int = 0
    archived: bool = False
    imported: e.ThreadImported | None = None  # the newest mark


async def import_state_of(log: EventLog, stream: str, source_id: str) -> ImportState:
    """Read the log backwards, up to the `thread.imported` of the last import."""
    try:
        head = await log.head(stream)
    except NotFound:
        return ImportState("absent")
    kind: Kind = "imported"
    last_by, own_first = "", head.parent_seq + 1
    async for record in records_back(log, stream):
        recorded = decode_record(record.line)
        event, by = recorded.event, recorded.by or ""
        if isinstance(event, e.ThreadImported) and event.source_id == source_id:
            return ImportState(kind, head.version, head.archived, event)
        if record.seq < own_first:
            break
        if not by.startswith(IMPORT_BY) and not isinstance(event, _ASIDE):
            kind = "continued"
        last_by = by
        if isinstance(event, e.ThreadForked) and not by.startswith(IMPORT_BY):
            return ImportState("foreign", head.version, head.archived)
    cut_off = kind == "imported" and last_by.startswith(IMPORT_BY)
    return ImportState("cut_off" if cut_off else "foreign", head.version, head.archived)


async def fork_point(log: EventLog, parent: str, before_ordinal: int) -> int:
    """The last record of an imported thread whose line comes before an ordinal; 0 for none."""
    point = 0
    async for record in records(log, parent):
        ordinal = _ordinal(decode_record(record.line).by)
        if ordinal is not None and ordinal >= before_ordinal:
            return point
        if ordinal is not None:
            point = record.seq
    return point


def _ordinal(by: str | None) -> int | None:
    _, _, ordinal = (by or "").partition("#")
    return int(ordinal) if ordinal.isdecimal() and by and by.startswith(IMPORT_BY) else None
