"""Consumers get every record of a store, over restarts, streams and failures.

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Consumer(store, "notify", handle).run)

Law: at least once, and in order within a stream. A checkpoint follows the handling, so what was handled and not
noted is handed over again; a handler tells a repeated record by its stream and `seq`. One stream that cannot be
handled, or read, holds up no other.

Records that a fork shares with its parent are handed over as the parent's. A stream whose file is as long as when all of
it was handled is not opened at a start: that costs as much as listing it. Nor is one that is older than a consumer that
begins at a time (`since_us`), whose position in a newer stream is found from its end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NoReturn, Protocol

import trio

from codexd_eventstore.line_start import time_of
from codexd_eventstore.reading import Pages, records_back
from codexd_eventstore.store import Damaged, EventLog, NotFound, Record, Sidecar, StoreError

# A handler that raises is called again after this long, then after twice as long, up to the longest.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
# Streams whose records are handled at the same time: enough that one slow call does not hold up all.
STREAMS_AT_ONCE: Final = 8
# Streams looked at in one go before other tasks run: some ten microseconds each.
LOOKED_AT_ONCE: Final = 100
# How much later than the file system's clock ours may be: it is read by the kernel's ticks.
CLOCK_SLACK_US: Final = 1_000_000

Handler = Callable[[str, Sequence[Record]], Awaitable[None]]


class Consumed(EventLog, Sidecar, Protocol):
    """The store of a consumer: a log, and checkpoints."""


class Consumer:
    """Hands every record of every stream to a handler, those of one stream in order.

    Args:
        handle: gets a stream's name and some of its records, and may raise: it gets them again then.
        gather_s: the changes of so long are handled together, so that a consumer with a cost for each call has fewer.
        since_us: records from before this time, in microseconds since 1970, are passed over.
    """

    def __init__(
        self,
        store: Consumed,
        name: str,
        handle: Handler,
        *,
        gather_s: float = 0.0,
        since_us: int = 0,
    ) -> None:
        self._store = store
        self._name = name
        self._handle = handle
        self._gather_s, self._since_us = gather_s, since_us
        self._hurry = trio.Event()
        self._looked = False  # at all streams, once
        self._idle = trio.lowlevel.ParkingLot()
        self._wanted: dict[str, None] = {}  # streams with something new, oldest first
        self._held: set[str] = set()  # being handled, or waiting to be tried again
        self._pauses: dict[str, float] = {}  # of those that failed
        self._sizes: dict[
            str, int
        ] = {}  # of those that are handled for the first time since the start
        self._more = trio.lowlevel.ParkingLot()

    async def run(self) -> NoReturn:
        """Hand records over until it is cancelled."""
        # It listens before it looks: what changes in between is looked at twice and not missed.
        with self._store.changes() as changes:
            async with trio.open_nursery() as nursery:
                for _ in range(STREAMS_AT_ONCE):
                    nursery.start_soon(self._work, nursery)
                nursery.start_soon(self._look_at_all)
                while True:
                    for stream in await changes.receive():
                        self._want(stream)
                    if self._gather_s:
                        with trio.move_on_after(self._gather_s):
                            await self._hurry.wait()

    @property
    def waiting(self) -> int:
        """How many streams have records that are not handled yet."""
        return len(self._wanted.keys() | self._held)

    async def wait_idle(self) -> None:
        """Gather no longer, and return when all that is there is handled."""
        self._hurry.set()
        # Twice: the change of a moment ago may still be on its way to this object.
        for _ in range(2):
            await trio.lowlevel.checkpoint()
        while not self._looked or self._wanted or self._held:
            await self._idle.park()

    def _want(self, stream: str) -> None:
        """Handle a stream's new records as soon as a worker is free."""
        self._wanted[stream] = None
        self._more.unpark()

    async def _look_at_all(self) -> None:
        """Want every stream whose file is not as it was when all of it was handled."""
        while not self._looked:
            try:
                await self._look()
            except StoreError:
                await trio.sleep(LONGEST_PAUSE_S)  # the disk's: what changes is handled meanwhile
            else:
                self._looked = True
        self._idle.unpark_all()

    async def _look(self) -> None:
        """Raises: StoreError."""
        for archived in (False, True):
            for number, row in enumerate(await self._store.streams(archived=archived)):
                if number % LOOKED_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
                if row.modified_us + CLOCK_SLACK_US < self._since_us:
                    continue
                handled = await self._store.checkpoint(f"{self._name}.bytes", row.stream)
                if handled != row.size_bytes:
                    self._sizes[row.stream] = row.size_bytes
                    self._want(row.stream)

    async def _work(self, nursery: trio.Nursery) -> None:
        """Handle one stream after the other."""
        while True:
            stream = next((s for s in self._wanted if s not in self._held), None)
            if stream is None:
                await self._more.park()
                continue
            del self._wanted[stream]
            self._held.add(stream)
            try:
                await self._catch_up(stream)
            except Exception:  # noqa: BLE001 - a handler may raise anything, and others continue
                pause = self._pauses.get(stream, FIRST_PAUSE_S)
                self._pauses[stream] = min(2 * pause, LONGEST_PAUSE_S)
                nursery.start_soon(self._try_again, stream, pause)
            else:
                self._pauses.pop(stream, None)
                self._release(stream)

    async def _try_again(self, stream: str, pause: float) -> None:
        await trio.sleep(pause)
        self._wanted[stream] = None
        self._release(stream)

    def _release(self, stream: str) -> None:
        self._held.discard(stream)
        if stream in self._wanted:
            self._more.unpark()
        elif not self._held:
            self._idle.unpark_all()

    async def _catch_up(self, stream: str) -> None:
        """Hand over all that is new."""
        store, name = self._store, self._name
        size = self._sizes.pop(stream, None)
        try:
            head = await store.head(stream)
        except (NotFound, Damaged):
            return  # it is looked at again when it changes, or at the next start
        position = max(await store.checkpoint(name, stream), head.parent_seq)
        if position > head.version:
            # A power cut took what was handled and not yet on disk; other records will have those numbers.
            position = head.version
            await store.set_checkpoint(name, stream, position)
        if position == head.parent_seq and self._since_us:
            position = max(position, await self._before_beginning(stream))
        async for page in Pages(store, stream, after=position):
            # What an earlier consumer of this name had not handled may be older than this one's beginning.
            if records := self._since_beginning(page):
                await self._handle(stream, records)
            await store.set_checkpoint(name, stream, page[-1].seq, written=True)
        if size is not None:
            await store.set_checkpoint(f"{name}.bytes", stream, size)

    def _since_beginning(self, page: Sequence[Record]) -> Sequence[Record]:
        since = self._since_us
        if not since or time_of(page[0].seq, page[0].line) >= since:
            return page
        return [record for record in page if time_of(record.seq, record.line) >= since]

    async def _before_beginning(self, stream: str) -> int:
        """The last record from before this consumer's beginning; 0 if there is none."""
        async for record in records_back(self._store, stream):
            if time_of(record.seq, record.line) < self._since_us:
                return record.seq
        return 0
