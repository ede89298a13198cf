"""Idempotency keys and snapshots of a stream, found by its notes and checked against the log.

Law: a note is a hint. A key is known if its record has it, and unknown if the notes are complete; else the log is
read. A snapshot is valid while the log has the record that it ends with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from codexd_eventstore.disk.layout import check_name
from codexd_eventstore.format.lines import crc_of, marks_of
from codexd_eventstore.format.seals import Writers
from codexd_eventstore.log.keys import Span
from codexd_eventstore.log.log import Log
from codexd_eventstore.log.read import read_range
from codexd_eventstore.log.scan import damaged, scan_log
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.sidecar.rows import NotedKeys, SnapshotRow
from codexd_eventstore.store import Record, Refused, Snapshot

# A snapshot must be faster than folding; a snapshot as long as the longest record is not.
SNAPSHOT_BYTES_MAX: Final = 16 * 1024 * 1024


async def find_key(engine: Engine, log: Log, key: str) -> Span | None:
    """The append that a key was given with, if it can be seen."""
    span = log.keys.get(key)
    if span is not None or log.keys.after <= log.base:
        return span
    is_known, span = engine.notes.find_key(log.stream, log.head, key, log.keys.after)
    if span is not None and await _bears(engine, log, span, key):
        return span
    if is_known and span is None:
        return None
    return await _read_for_keys(engine, log, key)


async def _bears(engine: Engine, log: Log, span: Span, key: str) -> bool:
    """Whether a record of the log itself has the key."""
    if not log.base < span[0] <= span[1] <= log.version:
        return False
    records = await read_range(engine.open_logs, engine.fs, log, span[0], span[0])
    return marks_of(records[0]).key == key


async def _read_for_keys(engine: Engine, log: Log, key: str) -> Span | None:
    end, durable, hint = log.size, log.durable.seq, log.hint
    scan = await blocking(scan_log, engine.fs, log.path, log.stream, end)
    if scan.tail is not None:
        why = scan.tail.damage or "it changed since it was opened"
        raise damaged(log.stream, log.path, scan.tail.seq, why)
    noted = tuple(span for span in scan.spans if span[2] <= durable)
    engine.notes.set_hint(log.stream, hint, NotedKeys(None, noted))
    if not engine.notes.works:
        log.keys.refill(log.base, scan.spans)
    return next(((first, last) for name, first, last in scan.spans if name == key), None)


async def foreign_in(engine: Engine, stream: str, records: Sequence[Record]) -> frozenset[int]:
    """Which of a stream's records were not written by this store."""
    if engine.seals is None:
        return frozenset()
    log = await engine.open_logs.open(stream)
    writers = Writers(engine.seals, stream, engine.inherited.through(stream, log.lineage))
    loose = [record.seq for record in records if not writers.holds(record)]
    if not loose:
        return frozenset()
    upto = await blocking(engine.unsealed.upto, stream, log.lineage)
    return frozenset(seq for seq in loose if seq > upto)


async def snapshot(engine: Engine, stream: str, name: str) -> Snapshot | None:
    """The newest snapshot of that name that the log still agrees with."""
    check_name(name, "snapshot")
    log = await engine.open_logs.open(stream)
    kept = engine.notes.snapshot(stream, name)
    if kept is None or kept.seq > log.version or await _crc_at(engine, log, kept.seq) != kept.chain:
        return None
    return Snapshot(kept.seq, kept.content)


async def set_snapshot(engine: Engine, stream: str, name: str, taken: Snapshot) -> None:
    """Replace the snapshot under the name."""
    check_name(name, "snapshot")
    log = await engine.open_logs.open(stream)
    check_snapshot(stream, taken, log.version)
    chain = await _crc_at(engine, log, taken.seq)
    await engine.notes.set_snapshot(stream, name, SnapshotRow(taken.seq, chain, taken.content))


def check_snapshot(stream: str, taken: Snapshot, version: int) -> None:
    """Raises: Refused for one of records that there are not, or that is too long."""
    if not 0 <= taken.seq <= version:
        raise Refused(
            f"stream {stream} has {version} records: a snapshot of {taken.seq} was not kept"
        )
    if len(taken.content) > SNAPSHOT_BYTES_MAX:
        raise Refused(
            f"stream {stream}: a snapshot of {len(taken.content)} bytes is over"
            f" {SNAPSHOT_BYTES_MAX}: it was not kept"
        )


async def _crc_at(engine: Engine, log: Log, seq: int) -> int:
    """The checksum of a record; 0 before the first."""
    if seq == 0:
        return 0
    return crc_of((await read_range(engine.open_logs, engine.fs, log, seq, seq))[0].line)
