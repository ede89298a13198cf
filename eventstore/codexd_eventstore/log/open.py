"""Opens a log: reads it from its open hint on or as a whole, checks it, compares it with the hint, repairs it.

Law: the hint saves time; it never changes which records a log has.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

import trio

from codexd_eventstore.disk.files import FileState, FileSystem, store_failed
from codexd_eventstore.log.keys import Keys
from codexd_eventstore.log.log import NOTED_BYTES, Log
from codexd_eventstore.log.recovery_check import judge
from codexd_eventstore.log.scan import Scan, damaged, scan_log
from codexd_eventstore.log.torn_tail import cut_torn_tail
from codexd_eventstore.sidecar.rows import OpenHint
from codexd_eventstore.store import NotFound

# A file up to this size is read on the event loop, and always as a whole; a thread hop costs as much.
INLINE_BYTES_MAX: Final = 64 * 1024


async def load(
    fs: FileSystem, stream: str, path: str, state: FileState, hint: OpenHint | None
) -> Log:
    """The log that a file holds. Raises: NotFound, Damaged, StoreFailed."""
    try:
        if state.size_bytes <= INLINE_BYTES_MAX:
            scan = scan_log(fs, path, stream, hint=hint)
        else:
            scan = await trio.to_thread.run_sync(_scan_long, fs, path, stream, hint)
        strange, repaired = judge(scan, hint), None
        if scan.tail is not None:
            if scan.tail.damage is not None:
                raise damaged(stream, path, scan.tail.seq, scan.tail.damage)
            repaired = await trio.to_thread.run_sync(cut_torn_tail, fs, path, scan, time.time())
    except OSError as error:
        raise store_failed(f"stream {stream}: {path} cannot be read", error) from error
    if not scan.records:
        raise NotFound(f"there is no stream {stream}: {repaired}")
    log = _log_of(scan, path, state, hint)
    if repaired is not None:
        log.synced_version, log.durable = log.version, log.end  # the cut has synced the rest
    log.repaired = "; ".join(filter(None, (strange, repaired))) or None
    return log


def _scan_long(fs: FileSystem, path: str, stream: str, hint: OpenHint | None) -> Scan:
    scan = scan_log(fs, path, stream, hint=hint, whole=False)
    if scan.is_all and scan.tail is None:
        # So that a hint can be written and the file is not read as a whole again; the sync costs little.
        with suppress(OSError):
            fd = fs.open(path)
            try:
                fs.sync(fd)
                fs.sync_folder(path.rpartition("/")[0])
                scan.synced = scan.version
            finally:
                fs.close(fd)
    return scan


def _log_of(scan: Scan, path: str, state: FileState, hint: OpenHint | None) -> Log:
    log = Log(scan.stream, path, base=scan.base, chain=scan.chain, origin=scan.origin)
    log.start, log.head, log.index = scan.start, scan.head, scan.index
    log.version = log.accepted_version = scan.version
    log.chain = scan.chain
    log.at_us = log.accepted_at_us = scan.at_us
    log.size = scan.size
    log.file = state
    log.durable = scan.first
    if scan.is_met and hint is not None:
        log.durable, log.noted_seq = hint.durable, hint.durable.seq
    if scan.synced == scan.version:
        log.durable = log.end
    log.synced_version = max(scan.synced, log.durable.seq)
    # If a part of the file is known to be on disk, its name is too; otherwise the folder may never have been synced.
    log.name_synced = log.synced_version > log.base
    log.note_size = log.durable.start + NOTED_BYTES
    log.is_all_read = scan.is_all
    # An append that began before the start of the reading ended before the durable point.
    log.keys = Keys(log.base if scan.is_all else log.durable.seq)
    for span in scan.spans:
        log.keys.add(*span)
    return log
