"""The open logs of a store: found by name, opened on first use, checked and repaired as they open.

Law: one `Log` per stream at a time, and what changes where a stream's file lies holds the stream's gate.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from codexd_eventstore.files import FileState, FileSystem
from codexd_eventstore.lines import Origin, chain_start
from codexd_eventstore.log import Log
from codexd_eventstore.opening import Scan, damaged, scan_log
from codexd_eventstore.places import Places, check_name
from codexd_eventstore.preface import read_start
from codexd_eventstore.repair import cut_torn_tail
from codexd_eventstore.store import Damaged, NotFound, StoreFailed

# A file up to this is read where we stand; going to a thread and back costs as much.
INLINE_BYTES_MAX = 64 * 1024


class Shelf:
    """The logs of one store that are open."""

    def __init__(self, fs: FileSystem, places: Places) -> None:
        self._fs = fs
        self._places = places
        self._logs: dict[str, Log] = {}
        self._gates: dict[str, tuple[trio.Lock, list[None]]] = {}

    def get(self, stream: str) -> Log | None:
        """The log if it is open."""
        return self._logs.get(stream)

    def all(self) -> list[Log]:
        """All that are open."""
        return list(self._logs.values())

    async def open(self, stream: str) -> Log:
        """The log, opened if need be. Raises: NotFound, Damaged, StoreFailed."""
        log = self._logs.get(stream)
        if log is None or not (log.is_born or log.failed):
            async with self.gate(stream):
                log = await self.open_gated(stream)
        if not log.is_born and log.failed is None:
            raise NotFound(f"there is no stream {stream}")
        return log

    async def open_gated(self, stream: str) -> Log:
        """The same for who holds the gate; also a log that waits for its first record."""
        log = self._logs.get(stream)
        if log is None:
            path, state, archived = self.find(stream)
            log = await self._load(stream, path, state)
            log.archived = archived
            log.lineage = await self._lineage(log)
            self._logs[stream] = log
        return log

    def add_new(self, stream: str, origin: Origin | None = None) -> Log:
        """A log without records, whose file the first append makes; for who holds the gate."""
        chain = chain_start(stream) if origin is None else origin.chain
        base = 0 if origin is None else origin.seq
        log = Log(stream, self._places.log(stream), base=base, chain=chain, origin=origin)
        log.name_synced = False
        self._logs[stream] = log
        return log

    def remove(self, log: Log) -> None:
        """Forget a log whose file is closed; who follows it looks it up again."""
        if self._logs.get(log.stream) is log:
            del self._logs[log.stream]
        log.followers.unpark_all()

    def put_back(self, log: Log) -> None:
        """Have a log again that was removed, for who has held the gate since."""
        self._logs[log.stream] = log

    @asynccontextmanager
    async def gate(self, stream: str) -> AsyncIterator[None]:
        """Be the only one to open, make, move or remove the stream's file."""
        lock, users = self._gates.setdefault(stream, (trio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._gates[stream]

    def find(self, stream: str) -> tuple[str, FileState, bool]:
        """Path, state and whether it is archived. Raises: NotFound, Refused, StoreFailed."""
        check_name(stream, "stream")
        try:
            for path, archived in (
                (self._places.log(stream), False),
                (self._places.archived_log(stream), True),
            ):
                state = self._fs.state(path)
                # An empty file is what a first append left that never finished.
                if state is not None and state.size_bytes:
                    return path, state, archived
        except OSError as error:
            raise StoreFailed(
                f"stream {stream} cannot be looked up: {error}", retry=False
            ) from error
        raise NotFound(f"there is no stream {stream}")

    def is_there(self, stream: str) -> bool:
        """Whether a file of that name is there."""
        try:
            self.find(stream)
        except NotFound:
            return False
        return True

    async def _load(self, stream: str, path: str, state: FileState) -> Log:
        try:
            if state.size_bytes <= INLINE_BYTES_MAX:
                scan = scan_log(self._fs, path, stream)
            else:
                scan = await trio.to_thread.run_sync(scan_log, self._fs, path, stream)
            repaired = None
            if scan.tail is not None:
                if scan.tail.damage is not None:
                    raise damaged(stream, path, scan.tail.seq, scan.tail.damage)
                repaired = await trio.to_thread.run_sync(
                    cut_torn_tail, self._fs, path, scan, time.time()
                )
        except OSError as error:
            raise StoreFailed(
                f"stream {stream}: {path} cannot be read: {error}", retry=False
            ) from error
        if not scan.records:
            raise NotFound(f"there is no stream {stream}: {repaired}")
        return _log_of(scan, path, state, repaired)

    async def _lineage(self, log: Log) -> tuple[tuple[str, int], ...]:
        """The ancestors with the last `seq` that is read from each, oldest first.

        Only the first bytes of each file are read, so it costs the depth and not the length.
        """
        lineage: list[tuple[str, int]] = []
        child, origin, last = log.stream, log.origin, log.base
        while origin is not None and last > 0:
            if any(origin.stream == name for name, _ in lineage) or origin.stream == log.stream:
                raise Damaged(f"stream {log.stream} descends from itself: it was left as it is")
            last = min(last, origin.seq)
            lineage.append((origin.stream, last))
            child, origin = origin.stream, self._origin_of(child, origin.stream)
        return tuple(reversed(lineage))

    def _origin_of(self, child: str, stream: str) -> Origin | None:
        known = self._logs.get(stream)
        if known is not None:
            return known.origin
        try:
            return read_start(self._fs, self.find(stream)[0], stream).origin
        except NotFound:
            raise Damaged(
                f"stream {child} was forked from {stream}, which is gone: it was left as it is"
            ) from None
        except OSError as error:
            raise StoreFailed(f"stream {stream} cannot be read: {error}", retry=False) from error


def _log_of(scan: Scan, path: str, state: FileState, repaired: str | None) -> Log:
    log = Log(scan.stream, path, base=scan.base, chain=scan.chain, origin=scan.origin)
    log.version = log.accepted_version = scan.version
    log.at_us = log.accepted_at_us = scan.at_us
    # To cut a torn tail off is to sync what stands.
    log.synced_version = scan.synced if repaired is None else scan.version
    # Who made the file may have died, or failed, before the disk had its name.
    log.name_synced = log.synced_version > log.base
    log.size = scan.size
    log.index, log.keys = scan.index, scan.keys
    log.start = scan.start
    log.file = state
    log.repaired = repaired
    return log
