"""The open logs of a store: found by name, opened at their first use, checked and repaired as they open.

Law: one `Log` per stream at a time; code that changes the path of a stream's file holds the stream's gate.
A log that was only read stays open while it is among the last `READ_LOGS_MAX` that were read; a log that was
appended to stays open until its owner closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakValueDictionary

import trio

from codexd_eventstore.disk.files import FileState, FileSystem, store_failed
from codexd_eventstore.disk.forks import read_start
from codexd_eventstore.disk.layout import Layout, check_name
from codexd_eventstore.format.lines import Origin, chain_start
from codexd_eventstore.log.log import Log
from codexd_eventstore.log.open import INLINE_BYTES_MAX, load
from codexd_eventstore.log.scan import damaged
from codexd_eventstore.sidecar.notes import Notes
from codexd_eventstore.store import Damaged, NotFound

# Logs without appends: archived ones, parents of forks, logs of threads that are only shown. Opening such a log again
# reads its tail, and an open log takes about 100 KB.
READ_LOGS_MAX: Final = 32


class OpenLogs:
    """The logs of one store that are open."""

    def __init__(
        self,
        fs: FileSystem,
        layout: Layout,
        notes: Notes,
        on_growth: Callable[[Log], None],
        on_change: Callable[[str], None],
        evict: Callable[[Log], None],
    ) -> None:
        self._fs = fs
        self._layout = layout
        self._notes = notes
        # Called when a log has grown so far that its hint is to be written.
        self._on_growth = on_growth
        self._on_change = on_change  # called when a stream was appended to
        self._evict = evict  # called with the least recently read log
        self._logs: dict[str, Log] = {}
        self._read: dict[str, Log] = {}  # logs that were only read, the most recently read last
        # A lock is here for as long as a task holds it or waits for it.
        self._gates = WeakValueDictionary[str, trio.Lock]()

    def get(self, stream: str) -> Log | None:
        """The log if it is open."""
        return self._logs.get(stream)

    def all(self) -> list[Log]:
        return list(self._logs.values())

    async def open(self, stream: str) -> Log:
        """The log, opened if need be. Raises: NotFound, Damaged, StoreFailed."""
        log = self._logs.get(stream)
        if log is None or not (log.is_born or log.failed):
            async with self.gate(stream):
                log = await self.open_gated(stream)
        self._note_read(log)
        if not log.is_born and log.failed is None:
            raise NotFound(f"there is no stream {stream}")
        return log

    async def open_gated(self, stream: str) -> Log:
        """The same for a caller that holds the gate; also a log that waits for its first record."""
        log = self._logs.get(stream)
        if log is None:
            try:
                path, state, archived = self.find(stream)
            except NotFound:
                self._check_not_emptied(stream)
                raise
            log = await load(self._fs, stream, path, state, self._notes.hint(stream))
            log.archived = archived
            log.lineage = self._lineage(log)
            self._keep(log)
            self._note_read(log)
            if log.is_all_read and log.durable.start > INLINE_BYTES_MAX:
                self._on_growth(log)  # the file was read as a whole, so its hint is written at once
        return log

    def _note_read(self, log: Log) -> None:
        if log.is_written:
            return
        self._read.pop(log.stream, None)
        self._read[log.stream] = log
        if len(self._read) > READ_LOGS_MAX:
            oldest = next(iter(self._read))
            read = self._read.pop(oldest)
            if self._is_unneeded(read):
                self._evict(read)

    def _is_unneeded(self, log: Log) -> bool:
        """Whether a log can be closed and opened again later; a repair must be reported first."""
        known = self._logs.get(log.stream) is log and log.failed is None and log.repaired is None
        return known and not (log.is_written or log.followers or log.stream in self._gates)

    def _keep(self, log: Log) -> None:
        log.on_growth, log.on_change = self._on_growth, self._on_change
        self._logs[log.stream] = log

    def _check_not_emptied(self, stream: str) -> None:
        """Raises: Damaged for an empty file that had durable records."""
        path = self._layout.log(stream)
        try:
            is_empty_file = self._fs.state(path) is not None
        except OSError:
            return  # the lookup has reported the error
        hint = self._notes.hint(stream) if is_empty_file else None
        if hint is not None and hint.durable.start:
            why = f"{hint.durable.seq} records were acknowledged as being on disk, and it is empty"
            raise damaged(stream, path, 1, why)

    def add_new(self, stream: str, origin: Origin | None = None) -> Log:
        """A log without records, whose file the first append makes; the caller holds the gate."""
        chain = chain_start(stream) if origin is None else origin.chain
        base = 0 if origin is None else origin.seq
        log = Log(stream, self._layout.log(stream), base=base, chain=chain, origin=origin)
        log.name_synced = False
        self._keep(log)
        return log

    def remove(self, log: Log) -> None:
        """Forget a log whose file is closed; its followers look it up again."""
        if self._logs.get(log.stream) is log:
            del self._logs[log.stream]
            self._read.pop(log.stream, None)
        log.followers.unpark_all()

    def relink(self, ancestor: str) -> None:
        """Read again the lineages of open logs that inherit from a stream."""
        for log in self._logs.values():
            if any(name == ancestor for name, _ in log.lineage):
                log.lineage = self._lineage(log)

    def put_back(self, log: Log) -> None:
        """Add a removed log again; the caller has held the gate since."""
        self._logs[log.stream] = log

    def gate(self, stream: str) -> trio.Lock:
        """The exclusive right to open, make, move or remove the stream's file."""
        return self._gates.setdefault(stream, trio.Lock())

    def find(self, stream: str) -> tuple[str, FileState, bool]:
        """Path, state and whether it is archived. Raises: NotFound, Refused, StoreFailed."""
        check_name(stream, "stream")
        try:
            for path, archived in self._layout.either(stream):
                state = self._fs.state(path)
                # An empty file is left by a first append that never finished.
                if state is not None and state.size_bytes:
                    return path, state, archived
        except OSError as error:
            raise store_failed(f"stream {stream} cannot be looked up", error) from error
        raise NotFound(f"there is no stream {stream}")

    def find_or_emptied(self, stream: str) -> str:
        """The path, also of a file that has become empty. Raises: NotFound, StoreFailed."""
        try:
            return self.find(stream)[0]
        except NotFound:
            with suppress(Damaged):
                self._check_not_emptied(stream)
                raise
            return self._layout.log(stream)

    def is_there(self, stream: str) -> bool:
        """Whether the stream has a file."""
        try:
            self.find(stream)
        except NotFound:
            return False
        return True

    def _lineage(self, log: Log) -> tuple[tuple[str, int], ...]:
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
            raise store_failed(f"stream {stream} cannot be read", error) from error
