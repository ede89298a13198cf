"""The committer: the one way of records into files, for all logs of a store.

Law: never a sync on the event loop. What must be durable is written and synced by a thread that stays (a queue
in, one call of the loop out), one round per log at a time; while that round is on the disk the next one fills,
so appends share a sync without waiting for a timer. Several busy logs have several such threads, because one
file's sync does not wait for another's. What need not be durable is written here and now if nothing of its log
is in flight, and synced within `SYNC_INTERVAL_MS`. A thread that has synced a round goes on with what its log
has filled meanwhile; the event loop only hears of it.

What was accepted cannot be undone: a caller that is cancelled while it waits has appended all the same.

One log that the disk fails is one log's trouble. Several are the disk's: then the store takes nothing any more,
and what can be read can still be read.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

import trio

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.log.commit_round import Round, abandon, take_back, unwritten
from codexd_eventstore.log.log import Log, WriteBatch
from codexd_eventstore.store import SYNC_INTERVAL_MS, Record, StoreFailed

# More threads than this made a disk no faster: 16 busy files sync at twice the rate of one thread.
THREADS_MAX: Final = 16
# Files kept open for writing; the soft limit of descriptors is often 1024, and sockets need some.
FILES_OPEN_MAX: Final = 256
# Bytes that may wait for one log's disk before its next append waits too; in memory twice, as records and as
# bytes of the file.
PENDING_BYTES_MAX: Final = 8 * 1024 * 1024
# The same for all logs together: many busy threads on a disk that hangs must not fill the memory.
STORE_PENDING_BYTES_MAX: Final = 64 * 1024 * 1024
# For `sys.setswitchinterval` in a process that appends much: a thread that returns from the disk waits so
# long for a busy event loop, at each call, and Python's own 5 ms are many times the length of a sync.
SWITCH_SECONDS: Final = 0.001
# A bad sector affects one log; this many logs fail only if the disk, or the connection to it, fails.
LOGS_FAILED_MAX: Final = 3
# A sync takes a few milliseconds at worst; with this the total stays within `SYNC_INTERVAL_MS`.
_LAG_SECONDS: Final = SYNC_INTERVAL_MS * 0.75 / 1000


class Committer:
    """Writes and syncs the logs of one store. Made and used within one trio run."""

    def __init__(
        self, fs: FileSystem, layout: Layout, on_rest: Callable[[Log], None] = lambda log: None
    ) -> None:
        self._fs = fs
        self._layout = layout
        self._on_rest = on_rest  # called when a log has nothing left in flight
        self._token = trio.lowlevel.current_trio_token()
        self._threads: list[threading.Thread] = []
        self._queue: SimpleQueue[Round | None] = SimpleQueue()
        self._landed: deque[Round] = deque()
        self._is_called = False  # whether a call of `_land_all` is scheduled
        self._in_flight = 0  # logs
        self._lagging: set[Log] = set()
        self._clock: SimpleQueue[bool] | None = None
        self._clock_runs = False
        self._open: dict[Log, None] = {}
        self._pending_bytes = 0  # of all batches that are not written yet
        self._unwritten: dict[WriteBatch, None] = {}  # the same batches, oldest first
        self._failed_streams: set[str] = set()  # streams with a disk error

    def append(
        self, log: Log, records: Sequence[Record], *, at_us: int, durable: bool, key: str | None
    ) -> WriteBatch | None:
        """Accept records that follow the last accepted record; returns the batch to wait for, if any.

        Raises: StoreFailed, and then nothing was accepted.
        """
        self._check_disk(log)
        # Joined here, while the lines are in the CPU cache; the committing thread has less to do.
        content = b"\n".join([*[record.line for record in records], b""])
        is_quick = not durable and log.fd is not None and not log.flying
        # A write that does not fit goes to a thread, which cuts it off and syncs the cut.
        if is_quick and self._write_now(log, records, content, at_us, key):
            return None
        log.accept(records, at_us)
        self._pending_bytes += len(content)
        with log.taking:
            batch = log.filling
            if batch is None:
                batch = log.filling = WriteBatch()
                self._unwritten[batch] = None
            batch.add(records, content, at_us)
            batch.durable = batch.durable or durable
            if key is not None:
                batch.keys[key] = (records[0].seq, records[-1].seq)
        if not log.flying:
            self._launch(log)
        return batch

    def crowded(self, log: Log) -> WriteBatch | None:
        """The batch to wait for before `log` takes more records, if too many bytes wait already."""
        filling = log.filling
        if filling is not None and filling.size > PENDING_BYTES_MAX:
            return filling
        if self._pending_bytes > STORE_PENDING_BYTES_MAX:
            return next(iter(self._unwritten))
        return None

    async def until_written(self) -> None:
        """Return when the oldest batch that waits for the disk has ended, well or badly; at once if none waits."""
        batch = next(iter(self._unwritten), None)
        if batch is not None:
            await batch.done.wait()

    async def settle(self, log: Log) -> None:
        """Return when all of a log is on disk. Raises: StoreFailed."""
        while log.unsynced or not log.is_idle or log.is_doubtful:
            batch = log.filling
            if batch is None:
                batch = log.flying[-1] if log.flying else self._sync_soon(log)
            await batch.wait()
        if log.failed is not None and log.synced_version < log.version:
            raise StoreFailed(f"{log.failed}, and its last records may be lost", retry=False)

    def release(self, log: Log) -> None:
        """Close the file of a log that is idle."""
        self._lagging.discard(log)
        self._open.pop(log, None)
        if log.fd is not None:
            fd, log.fd = log.fd, None
            self._fs.close(fd)

    async def stop(self) -> None:
        """End the threads; nothing may be in flight."""
        for _ in self._threads:
            self._queue.put(None)
        if self._clock is not None:
            self._clock.put(False)
        for thread in self._threads:
            await trio.to_thread.run_sync(thread.join, abandon_on_cancel=True)
        for log in list(self._open):
            self.release(log)

    def _check_disk(self, log: Log) -> None:
        """Raises: StoreFailed if too many logs have failed."""
        if len(self._failed_streams) >= LOGS_FAILED_MAX:
            raise StoreFailed(
                f"stream {log.stream}: the disk failed {len(self._failed_streams)} streams"
                f" ({', '.join(sorted(self._failed_streams)[:3])}), so the store takes nothing any more"
                " until it is opened again: nothing was appended; what is there can be read",
                retry=False,
            )

    def _write_now(
        self, log: Log, records: Sequence[Record], content: bytes, at_us: int, key: str | None
    ) -> bool:
        """Write on the event loop; False if it did not fit, and then nothing of it is in the file."""
        assert log.fd is not None
        try:
            self._fs.write(log.fd, content)
        except OSError as error:
            if take_back(self._fs, log.fd, log.size, error):
                return False
            failure = unwritten(log, error, retry=False)
            fd, log.fd = log.fd, None
            abandon(self._fs, fd)
            self._failed_streams.add(log.stream)
            self._ruin(log, failure)
            raise failure from error
        log.accept(records, at_us)
        if key is not None:
            log.keys.add(key, records[0].seq, records[-1].seq)
        log.show(records, len(content), at_us)
        self._lag(log)
        return True

    def _launch(self, log: Log) -> None:
        batch, log.filling = log.filling, None
        assert batch is not None
        log.flying.append(batch)
        self._in_flight += 1
        if self._in_flight > len(self._threads) < THREADS_MAX:
            name = f"eventstore {len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._queue.put(Round(log, batch))

    def _work(self) -> None:
        """The body of a committing thread."""
        while (round_ := self._queue.get()) is not None:
            while (following := self._fly(round_)) is not None:
                round_ = following
                if not self._queue.empty():
                    self._queue.put(round_)  # other logs go first
                    break

    def _fly(self, round_: Round) -> Round | None:
        """Run a round, and report it to the event loop; returns the next round of its log, if any."""
        following = None
        try:
            round_.run(self._fs, self._layout)
            following = round_.follow()
        except BaseException:
            # A bug of ours: this thread ends, and the round's waiters receive an error.
            round_.crash()
            self._threads.remove(threading.current_thread())
            raise
        finally:
            self._landed.append(round_)
            # In this order: the event loop resets `_is_called` before it reads. One call reports many rounds.
            if not self._is_called:
                self._is_called = True
                # The trio run has finished, so no task waits.
                with suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(self._land_all)
        return following

    def _land_all(self) -> None:
        self._is_called = False
        while self._landed:
            self._land(self._landed.popleft())

    def _land(self, round_: Round) -> None:
        log, batch = round_.log, round_.batch
        log.flying.popleft()
        del self._unwritten[batch]
        self._pending_bytes -= batch.size
        if round_.disk_failed:
            self._failed_streams.add(log.stream)
        log.fd, log.file, log.name_synced = round_.fd, round_.file, round_.name_synced
        if round_.error is not None:
            self._fail(log, batch, round_.error, round_.ruined)
        else:
            self._succeed(log, batch)
        if log.flying:
            return
        self._in_flight -= 1
        if log.filling is not None:
            self._launch(log)
        else:
            self._on_rest(log)

    def _succeed(self, log: Log, batch: WriteBatch) -> None:
        if batch.durable:
            log.unsynced = False
            self._lagging.discard(log)
        else:
            self._lag(log)
        if batch.records:
            for key, (first, last) in batch.keys.items():
                log.keys.add(key, first, last)
            log.show(batch.records, batch.size, batch.at_us)
        if batch.durable:
            log.note_synced()
        batch.done.set()
        if log not in self._open and log.fd is not None:
            self._open[log] = None
            if len(self._open) > FILES_OPEN_MAX:
                self._close_idle()

    def _fail(self, log: Log, batch: WriteBatch, error: StoreFailed, ruined: bool) -> None:
        """Report the error to all waiters; records that were accepted after a failed write fail too."""
        if log.filling is not None:
            del self._unwritten[log.filling]
            self._pending_bytes -= log.filling.size
        for failed in (batch, log.filling):
            if failed is not None:
                failed.error = error
                failed.done.set()
        log.fall_back()
        if log.fd is None:
            self._open.pop(log, None)
        if ruined:
            self._ruin(log, error)
        elif log.unsynced:
            self._lag(log)  # its visible records did not fail: they still wait for a sync

    def _ruin(self, log: Log, error: StoreFailed) -> None:
        log.failed = error
        log.unsynced = False
        self._lagging.discard(log)
        self._open.pop(log, None)
        log.followers.unpark_all()

    def _lag(self, log: Log) -> None:
        """Have the log synced within `SYNC_INTERVAL_MS`."""
        log.unsynced = True
        self._lagging.add(log)
        if self._clock_runs:
            return
        if self._clock is None:
            self._clock = SimpleQueue()
            threading.Thread(
                target=self._tick, args=(self._clock,), name="eventstore clock", daemon=True
            ).start()
        self._clock_runs = True
        self._clock.put(True)

    def _tick(self, clock: SimpleQueue[bool]) -> None:
        """The body of the timer's thread, which costs the event loop nothing."""
        while clock.get():
            time.sleep(_LAG_SECONDS)
            try:
                self._token.run_sync_soon(self._sync_lagging)
            except trio.RunFinishedError:
                return

    def _sync_lagging(self) -> None:
        self._clock_runs = False
        lagging, self._lagging = self._lagging, set()
        for log in lagging:
            if log.is_idle and log.unsynced:
                self._sync_soon(log)

    def _sync_soon(self, log: Log) -> WriteBatch:
        batch = log.filling = WriteBatch()
        batch.durable = True
        self._unwritten[batch] = None
        self._launch(log)
        return batch

    def _close_idle(self) -> None:
        """Close files, the oldest first; they are opened again for their next append."""
        for log in list(self._open):
            if len(self._open) <= FILES_OPEN_MAX:
                return
            if log.is_idle and not log.unsynced:
                self.release(log)
