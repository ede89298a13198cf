"""Checking a whole log without changing anything, its link to its parent included. Everything here blocks."""

from __future__ import annotations

from codexd_eventstore.files import FileSystem
from codexd_eventstore.lines import Origin, crc_of, read_lines
from codexd_eventstore.log import INDEX_STEP
from codexd_eventstore.opening import scan_log
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
    """Why the parent does not have the record that a fork was made at, with the checksum it had then."""
    try:
        found = _crc_at(fs, shelf, origin.stream, origin.seq) if origin.seq else origin.chain
    except NotFound:
        return f"its parent {origin.stream} is gone"
    if found != origin.chain:
        return f"its parent {origin.stream} has another record {origin.seq} than when it was forked"
    return None


def _crc_at(fs: FileSystem, shelf: Shelf, stream: str, seq: int) -> int | None:
    path = shelf.find(stream)[0]
    scan = scan_log(fs, path, stream)
    if seq > scan.version:
        return None
    if seq <= scan.base:
        # It inherited the record; at its own fork point its origin says it without another file.
        assert scan.origin is not None
        if seq == scan.base:
            return scan.origin.chain
        return _crc_at(fs, shelf, scan.origin.stream, seq)
    step = (seq - scan.base - 1) // INDEX_STEP
    start, chain = scan.index.starts[step], scan.index.chains[step]
    piece = fs.read_range(path, start, scan.size - start)
    records, _, _ = read_lines(piece, scan.base + step * INDEX_STEP, chain)
    return crc_of(records[seq - scan.base - 1 - step * INDEX_STEP].line)
