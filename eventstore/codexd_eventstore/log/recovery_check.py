"""Compares an opened log with its open hint: whether it still has all records that were known to be on disk.

Law: a log whose whole records do not reach its durable point has lost acknowledged records. It is damaged,
and is never cut. The reasons are in `docs/explanation/decisions/0009-opening-by-the-tail.md`.
"""

from __future__ import annotations

from codexd_eventstore.log.scan import Scan, Tail
from codexd_eventstore.sidecar.rows import OpenHint


def judge(scan: Scan, hint: OpenHint | None) -> str | None:
    """Compare a file with its log's hint; returns a difference that is no damage, as a sentence.

    If records are missing, the scan's tail says so afterwards.
    """
    if hint is None or scan.is_met or (scan.tail is not None and scan.tail.damage is not None):
        return None
    # Another first line means another log, or a rewritten one; without a first line it is the rest of this log.
    if hint.head != scan.head and scan.records:
        return None
    wanted = hint.durable.seq
    if scan.version < wanted:
        size = 0 if scan.tail is None else scan.tail.size
        why = f"{wanted} records were acknowledged as being on disk, and only {scan.version} stand"
        scan.tail = Tail(size, scan.version + 1, 0, why)
        return None
    return (
        f"the log has other records than were written here up to record {wanted}; it is whole, so"
        " another program put it there"
    )
