"""Checks a whole log without changing it, including its link to its parent. Everything here blocks."""

from __future__ import annotations

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.format.lines import Origin
from codexd_eventstore.log.open_logs import OpenLogs
from codexd_eventstore.log.recovery_check import judge
from codexd_eventstore.log.scan import scan_log
from codexd_eventstore.log.walk import crcs_at
from codexd_eventstore.sidecar.rows import OpenHint
from codexd_eventstore.store import NotFound, Verdict


def verify_log(
    fs: FileSystem,
    open_logs: OpenLogs,
    path: str,
    stream: str,
    end: int | None,
    hint: OpenHint | None = None,
) -> Verdict:
    """Check a file, or its first `end` bytes: its own records, not the inherited ones."""
    scan = scan_log(fs, path, stream, end, hint=hint, keys=False)
    judge(scan, hint)
    damage = unfinished = None
    if scan.tail is not None:
        damage = scan.tail.damage
        if damage is None:
            unfinished = (
                f"an append from record {scan.tail.seq} on never finished; its {scan.tail.size} bytes"
                " are cut off and kept beside the log when it is opened next"
            )
    if damage is None and scan.origin is not None:
        damage = _broken_link(fs, open_logs, scan.origin)
    return Verdict(stream, scan.records, damage, unfinished=unfinished)


def _broken_link(fs: FileSystem, open_logs: OpenLogs, origin: Origin) -> str | None:
    """Why the parent does not have the record of the fork point, with any checksum that it ever had."""
    if not origin.seq:
        return None  # it shares no records
    try:
        known = known_crcs(fs, open_logs, origin.stream, origin.seq)
    except NotFound as error:
        return f"what it was forked from cannot be read: {error}"
    if origin.chain not in known:
        return f"its parent {origin.stream} has another record {origin.seq} than when it was forked"
    return None


def known_crcs(fs: FileSystem, open_logs: OpenLogs, stream: str, seq: int) -> set[int]:
    """The checksums that a record of a stream has or had at a fork point; empty for none.

    Raises: NotFound if the stream, or the ancestor with the record, is gone.
    """
    known: set[int] = set()
    seen: set[str] = set()
    while stream not in seen:
        seen.add(stream)
        start, found = crcs_at(fs, open_logs.find(stream)[0], stream, frozenset({seq}))
        if start.origin is None or seq > start.base:
            return known | set(found.values()) | (start.cuts_at(seq) if found else set())
        # The record is inherited; only this stream has the checksum for a fork at its own fork point.
        if seq == start.base:
            known.add(start.origin.chain)
        stream = start.origin.stream
    return known
