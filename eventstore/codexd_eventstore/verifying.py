"""Checking a whole log without changing anything, its link to its parent included. Everything here blocks."""

from __future__ import annotations

from codexd_eventstore.files import FileSystem
from codexd_eventstore.lines import Origin, crc_of, read_lines
from codexd_eventstore.log import INDEX_STEP
from codexd_eventstore.opening import Scan, scan_log
from codexd_eventstore.shelf import Shelf
from codexd_eventstore.store import NotFound, Verdict


def verify_log(fs: FileSystem, shelf: Shelf, path: str, stream: str, end: int | None) -> Verdict:
    """What stands of a file, or of its first `end` bytes: its own records, not the inherited ones."""
    scan = scan_log(fs, path, stream, end)
    damage = None
    if scan.tail is not None:
        why = scan.tail.damage or "an append that never finished is behind it"
        damage = f"record {scan.tail.seq} does not stand: {why}"
    if damage is None and scan.origin is not None:
        damage = _broken_link(fs, shelf, scan.origin)
    return Verdict(stream, scan.records, damage)


def _broken_link(fs: FileSystem, shelf: Shelf, origin: Origin) -> str | None:
    """Why the parent does not have the record that a fork was made at, with a checksum it had once."""
    try:
        known = known_crcs(fs, shelf, origin.stream, origin.seq) if origin.seq else {origin.chain}
    except NotFound as error:
        return f"what it was forked from cannot be read: {error}"
    if origin.chain not in known:
        return f"its parent {origin.stream} has another record {origin.seq} than when it was forked"
    return None


def known_crcs(fs: FileSystem, shelf: Shelf, stream: str, seq: int) -> set[int]:
    """The checksums that a record of a stream has or had, at which a fork may have left; empty for none.

    Raises: NotFound where the stream, or one that it inherited the record from, is gone.
    """
    known: set[int] = set()
    seen: set[str] = set()
    while stream not in seen:
        seen.add(stream)
        path = shelf.find(stream)[0]
        scan = scan_log(fs, path, stream)
        if seq > scan.version:
            break
        if seq > scan.base:
            return known | {crc_at(fs, path, scan, seq)} | scan.start.cuts_at(seq)
        # It inherited the record; a fork at its own fork point has the checksum from it alone.
        assert scan.origin is not None
        if seq == scan.base:
            known.add(scan.origin.chain)
        stream = scan.origin.stream
    return known


def crc_at(fs: FileSystem, path: str, scan: Scan, seq: int) -> int:
    """The checksum of one of a scanned file's own records."""
    step = (seq - scan.base - 1) // INDEX_STEP
    start, chain = scan.index.starts[step], scan.index.chains[step]
    beyond = step + 1 < len(scan.index.starts)
    end = scan.index.starts[step + 1] if beyond else scan.size
    records, _, _ = read_lines(
        fs.read_range(path, start, end - start), scan.base + step * INDEX_STEP, chain
    )
    return crc_of(records[seq - scan.base - 1 - step * INDEX_STEP].line)
