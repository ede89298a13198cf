"""What the notes of a log are worth when it is opened: whether all is there that the disk was known to have.

Law: a log whose whole records do not reach its durable point has lost what was acknowledged. It is damaged,
never cut. `docs/explanation/decisions/0009-opening-by-the-tail.md` says why what is judged how.
"""

from __future__ import annotations

from codexd_eventstore.log.scan import Scan, Tail
from codexd_eventstore.sidecar.rows import OpenHint


def judge(scan: Scan, mark: OpenHint | None) -> str | None:
    """Hold a file against what was noted of its log; what is strange and yet no damage, as a sentence.

    Where something is missing, the scan's tail says so from here on.
    """
    if mark is None or scan.is_met or (scan.tail is not None and scan.tail.damage is not None):
        return None
    # Another first line is another log, or one that was rewritten; no first line is what is left of this.
    if mark.head != scan.head and scan.records:
        return None
    wanted = mark.durable.seq
    if scan.version < wanted:
        size = 0 if scan.tail is None else scan.tail.size
        why = f"{wanted} records were acknowledged as being on disk, and only {scan.version} stand"
        scan.tail = Tail(size, scan.version + 1, 0, why)
        return None
    return (
        f"the log has other records than were written here up to record {wanted}; it is whole, so"
        " somebody put it there"
    )
