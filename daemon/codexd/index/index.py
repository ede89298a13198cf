"""The index while the daemon runs: its writers, its readers, and what happens when it cannot be used.

    hints of the store, watched folders ─▶ indexed by this process, in a thread, a few records at a time
    the first time, or much at once     ─▶ indexed by a process of its own (`codexd.index`)

Law: only a request that reads the index waits for it, and then for a bounded time. A file that is broken, gone or of
another version is rebuilt, and requests are answered meanwhile from the part that is ready.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from codexd.core.events.record import make_decoders
from codexd.index.build.child import Child, ChildFailed
from codexd.index.build.reconcile import FIRST_THREADS, Differences, Progress, reconcile
from codexd.index.build.rows import Known
from codexd.index.build.watch import watch_logs
from codexd.index.build.writer import Writer
from codexd.index.store.connections import (
    MANY_THREADS,
    Connections,
    File,
    IndexUnavailable,
    load_sqlite,
)
from codexd.index.store.schema import Rotten, is_broken
from codexd_eventstore.event_log import EventLog
from codexd_eventstore.log.file_reader import LogFiles

if TYPE_CHECKING:
    import sqlite3

# Every caller of the index has to catch this error.
__all__ = ["IndexUnavailable", "SearchIndex"]

log = logging.getLogger(__name__)

# Nothing of this is needed before the daemon answers, nor for its first turn.
START_SECONDS: Final = 0.5
# Hints that come together are handled together: each time costs a turn that runs commands two milliseconds. A request
# that reads the index does not wait for it, and nothing is more than half a second late.
GATHER_SECONDS: Final = 0.2
# More than this of one log is the child's to read: some 50 ms of this process's time.
LIVE_BYTES_MAX: Final = 1024 * 1024
# With many threads, a complete index lacks only changes made while no daemon ran: these are searched for after the
# first requests were answered.
START_MANY_SECONDS: Final = 3.0
# Up to this many changed logs are indexed here: that takes as long as starting a child.
CHANGED_HERE_MAX: Final = 100
CHANGED_BYTES_HERE_MAX: Final = 2 * 1024 * 1024
# How long a list waits for what was acknowledged a moment ago, and for the first threads of a new index.
FLUSH_SECONDS_MAX: Final = 1.0
FIRST_PAGE_SECONDS_MAX: Final = 2.0
# Changes without a hint are found by comparing, more often where the system does not report changes.
COMPARE_SECONDS: Final = 600.0
COMPARE_BLIND_SECONDS: Final = 60.0
# A full disk or a long transaction of the other process passes by itself.
RETRY_SECONDS: Final = 1.0
# A search in everything takes milliseconds; a search that takes this long is too expensive.
READ_SECONDS_MAX: Final = 10.0
# A file that is broken this often in one request is on a broken disk.
REBUILDS_MAX: Final = 5
# How often a reader looks at the clock, in steps of SQLite's machine: every few milliseconds.
STEPS_BETWEEN_LOOKS: Final = 100_000
# The child found a full disk, or could not be started.
CHILD_RETRY_SECONDS: Final = 15.0

T = TypeVar("T")


class SearchIndex:
    """The index of one store. `run` must be running for it to follow the logs."""

    def __init__(self, state_dir: Path, data_dir: Path, is_loaded: Callable[[str], bool]) -> None:
        self._connections = Connections(state_dir)
        self.logs = LogFiles(data_dir)
        self._is_loaded = is_loaded
        self._writing, self._reading = trio.Lock(), trio.Lock()
        self._dirty: set[str] = set()
        self._for_child: set[str] = set()
        self._wake, self._urgent, self._compare = trio.Event(), trio.Event(), trio.Event()
        self._begun = self._ended = 0  # batches
        self._settled, self._advanced = trio.Event(), trio.Event()
        self._stopping = False
        self._complaint = ""  # the last record of the log
        self._is_blind = True
        self._is_compared = False  # with the folders, since the daemon started or the file was made
        self.progress: Progress | None = None  # of the comparison that runs, if one does

    @property
    def is_complete(self) -> bool:
        """Whether every log was looked at since the file was made."""
        return self._connections.is_complete

    async def run(self, store: EventLog) -> None:
        make_decoders()  # It decodes in a thread, beside the event loop.
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear, store)
                nursery.start_soon(self._follow)
                nursery.start_soon(self._compare_now_and_then)
                nursery.start_soon(self._watch)
        finally:
            with trio.CancelScope(shield=True):
                await self._close()

    def changed(self, streams: Iterable[str]) -> None:
        """These logs are others than they were; or are gone."""
        self._dirty.update(streams)
        if self._dirty:
            self._wake.set()

    async def make_anew(self, why: str) -> None:
        """Throw the file away, with all that is left in it of what the logs do not have any more."""
        await self._start_anew(self._connections.file, why)

    async def read(self, ask: Callable[[sqlite3.Connection], T], *, loaded_too: bool = True) -> T:
        """The result of `ask`, with every change acknowledged before. Raises: IndexUnavailable.

        `loaded_too`: index changes of loaded threads first; not needed by a caller that asks these threads itself.
        """
        await self._first_page()  # First, as it raises where no index can be opened.
        await self._flush(lambda stream: loaded_too or not self._is_loaded(stream))
        return await self._ask(ask)

    async def glance(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """The same, as soon as the number of threads is known."""
        await self._first_page(counted=True)
        await self._flush(lambda _: True)
        return await self._ask(ask)

    async def _ask(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        def asked() -> T:
            reader = self._connections.reader
            end = time.monotonic() + READ_SECONDS_MAX
            reader.set_progress_handler(
                lambda: self._stopping or time.monotonic() > end, STEPS_BETWEEN_LOOKS
            )
            return ask(reader)

        return await self._do(self._reading, asked)

    async def ask_when_complete(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """The same once all logs have been compared; it waits for that. Raises: IndexUnavailable."""
        while not self._is_compared:
            await self._advanced.wait()
        return await self.read(ask)

    async def look(self, stream: str) -> Known | None:
        """One thread, as its log is now; None where the index does not have all of it.

        Raises:
            IndexUnavailable
        """

        def looked() -> tuple[Known | None, set[str]]:
            writer = Writer(self._connections.writer, self.logs)
            if writer.take(stream, bytes_max=LIVE_BYTES_MAX) == "large":
                return None, {stream}
            writer.flush()
            return writer.look(stream), writer.orphaned

        known, more = await self._do(self._writing, looked)
        self._leave_to_child(more)
        return known

    # What the tasks do.

    async def _hear(self, store: EventLog) -> None:
        try:
            with store.changes() as changes:
                while True:
                    self.changed(await changes.receive())
        finally:
            self._stopping = True

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            with trio.move_on_after(GATHER_SECONDS):
                await self._urgent.wait()
            self._wake, self._urgent = trio.Event(), trio.Event()
            streams, self._dirty = self._dirty, set()
            self._begun += 1
            try:
                await self._take(streams)
            except IndexUnavailable as error:
                self._complain_of(error)
                self.changed(streams)
                await trio.sleep(RETRY_SECONDS)
            finally:
                self._ended = self._begun
                self._settled.set()
                self._settled = trio.Event()

    async def _take(self, streams: set[str]) -> None:
        def taken() -> tuple[set[str], set[str], dict[str, str]]:
            writer = Writer(self._connections.writer, self.logs)
            large = {
                stream
                for stream in streams
                if writer.take(stream, bytes_max=LIVE_BYTES_MAX) == "large"
            }
            writer.flush()
            writer.sweep()
            return large, writer.orphaned, writer.damaged

        large, orphaned, damaged = await self._do(self._writing, taken)
        _complain(damaged)
        self._leave_to_child(large | orphaned)

    def _complain_of(self, error: Exception) -> None:
        """Log once for each reason: what fails is tried again every few seconds."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            log.warning("the index is not up to date: %s", error)

    def _leave_to_child(self, streams: set[str]) -> None:
        self._for_child |= streams
        if self._for_child:
            self._compare.set()

    async def _compare_now_and_then(self) -> None:
        with trio.move_on_after(START_SECONDS):
            await self._compare.wait()
        await self._let_others_start()
        while True:
            self._compare = trio.Event()
            whole = not self._is_compared or not self._for_child
            only, self._for_child = self._for_child, set()
            try:
                await self._compared(() if whole else sorted(only))
            except (IndexUnavailable, ChildFailed, OSError) as error:
                self._complain_of(error)
                self._for_child |= only
                is_broken_now = isinstance(error, ChildFailed) and error.is_broken
                await trio.sleep(RETRY_SECONDS if is_broken_now else CHILD_RETRY_SECONDS)
                self._compare.set()
            with trio.move_on_after(COMPARE_BLIND_SECONDS if self._is_blind else COMPARE_SECONDS):
                await self._compare.wait()

    async def _let_others_start(self) -> None:
        with suppress(IndexUnavailable):
            await self._ensure_open()
            if self._knows_many:
                await trio.sleep(START_MANY_SECONDS)

    @property
    def _knows_many(self) -> bool:
        return self.is_complete and self._connections.has_many

    async def _compared(self, only: Sequence[str]) -> None:
        if not only and await self._do(self._writing, self._compared_here):
            self._advance(None)
            return
        await self._ensure_open()
        file = self._connections.file
        try:
            await Child(
                self.logs.root, self._connections.path, check=self._connections.is_doubtful
            ).run(only, self._advance)
        except ChildFailed as failed:
            if failed.is_broken:
                await self._start_anew(file, str(failed))
            raise
        if self._connections.file != file:
            self._compare.set()  # It was thrown away meanwhile: what the child wrote is gone with it.
            return
        self._connections.is_doubtful = False
        await self._do(self._writing, self._connections.tidy)
        self._advance(None)

    def _advance(self, progress: Progress | None) -> None:
        if progress is not None:
            _complain(progress.damaged)
        else:
            self._connections.is_complete = self._is_compared = True
        self.progress = progress
        self._advanced.set()
        self._advanced = trio.Event()

    def _compare_with_folders(self) -> None:
        self._is_compared = False
        self._compare.set()

    async def _watch(self) -> None:
        await trio.sleep(2 * START_SECONDS)
        await self._let_others_start()
        self._is_blind = False
        try:
            await watch_logs(self.logs, self._is_loaded, self.changed, self._compare_with_folders)
        except* (OSError, ImportError, RuntimeError) as errors:  # RuntimeError: of the library
            reason = errors.exceptions[0]
            log.warning("logs that others put in or take away are seen late: %s", reason)
        self._is_blind = True

    # What waits.

    async def _flush(self, counts: Callable[[str], bool]) -> None:
        """Return when the known changes of the selected streams are in the index."""
        is_behind = any(counts(stream) for stream in self._dirty)
        wanted = self._begun + is_behind
        with trio.move_on_after(FLUSH_SECONDS_MAX):
            while self._ended < wanted:
                self._urgent.set()
                await self._settled.wait()

    async def _first_page(self, *, counted: bool = False) -> None:
        """Return when there is something to show: in a new index the newest threads, or the number of threads.

        A comparison of few logs is waited for; of many it is not.
        """
        await self._ensure_open()
        if self._is_compared or self._knows_many:
            return
        self._compare.set()
        with trio.move_on_after(FIRST_PAGE_SECONDS_MAX):
            while not self._is_compared:
                now = self.progress
                if now is not None and (counted or now.total > 0 or now.done >= FIRST_THREADS):
                    return
                await self._advanced.wait()

    # What runs in a thread.

    async def _do(self, lock: trio.Lock, ask: Callable[[], T]) -> T:
        """The result of a function of the index, called again where the index had to be rebuilt."""
        sqlite3 = load_sqlite()
        why = ""
        for _ in range(REBUILDS_MAX):
            await self._ensure_open()
            async with lock:
                file = self._connections.file
                if file is None:
                    continue  # The previous holder of the lock found it broken.
                try:
                    return await trio.to_thread.run_sync(ask)
                except (sqlite3.Error, Rotten, OSError) as error:
                    if not isinstance(error, Rotten) and not is_broken(error):
                        raise IndexUnavailable(f"{self._connections.path}: {error}") from error
                    why = str(error)
            await self._start_anew(file, why)
        raise IndexUnavailable(f"{self._connections.path}: broken {REBUILDS_MAX} times: {why}")

    async def _ensure_open(self) -> None:
        """Connect to the current file: the earlier file may have been removed."""
        if self._connections.is_current:
            return
        sqlite3 = load_sqlite()
        async with self._writing, self._reading:
            if self._connections.is_current:
                return
            try:
                await trio.to_thread.run_sync(self._connections.open)
                self._is_compared = self._is_compared and self._connections.is_complete
            except (sqlite3.Error, OSError) as error:
                raise IndexUnavailable(f"{self._connections.path}: {error}") from error

    async def _start_anew(self, file: File | None, why: str) -> None:
        async with self._writing, self._reading:
            if self._connections.file != file:
                return  # Another task did.
            log.warning("the index is rebuilt: %s", why)
            await trio.to_thread.run_sync(self._connections.throw_away)
            self._is_compared = False
        self._compare.set()

    def _compared_here(self) -> bool:
        """Compare in this process; whether that was little enough."""
        writer = self._connections.writer
        if self._connections.is_doubtful or self._knows_many:
            return False
        for number, _ in enumerate(self.logs.streams()):
            if number >= MANY_THREADS:
                return False
        differences = Differences(writer, self.logs)
        if differences.count > CHANGED_HERE_MAX or differences.size > CHANGED_BYTES_HERE_MAX:
            return False
        reconcile(writer, self.logs, lambda progress: _complain(progress.damaged))
        return True

    async def _close(self) -> None:
        with trio.move_on_after(FLUSH_SECONDS_MAX), suppress(IndexUnavailable):
            if self._dirty and self._connections.is_current:
                await self._take(self._dirty)
        async with self._writing, self._reading:
            await trio.to_thread.run_sync(self._connections.close)


def _complain(damaged: dict[str, str]) -> None:
    for stream, why in damaged.items():
        log.error("thread %s is damaged: %s", stream, why)
