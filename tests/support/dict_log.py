"""A second engine, as small as the contract allows: a log in a dict. It has nothing that only a local engine has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import trio

from codexd_eventstore.changes import ChangeHub
from codexd_eventstore.disk.layout import check_name
from codexd_eventstore.event_log import (
    PAGE_RECORDS_MAX,
    Appended,
    Changes,
    Conflict,
    Exists,
    Head,
    NewEvent,
    NotFound,
    Record,
    Refused,
    StreamEntry,
    Subscription,
)
from codexd_eventstore.format.lines import (
    Origin,
    at_us_of,
    chain_start,
    crc_of,
    frame,
    marks_of,
    origin_at,
)
from codexd_eventstore.reading import bounded


class Stream:
    """All of its records, the inherited ones included."""

    def __init__(self, chain: int, inherited: Sequence[Record] = (), origin: Origin | None = None):
        self.records, self.origin = list(inherited), origin
        self.chain = chain  # what the next record's checksum goes on from
        self.at_us = at_us_of(inherited[-1]) if inherited else 0
        self.keys: dict[str, tuple[int, int]] = {}

    def add(
        self, events: Sequence[NewEvent], at_us: int, key: str | None, origin: Origin | None
    ) -> Appended:
        """Append all events or none."""
        at_us, after = max(at_us, self.at_us), len(self.records)
        new = frame(events, after=after, chain=self.chain, at_us=at_us, key=key, origin=origin)
        self.records += new
        self.at_us, self.chain = at_us, crc_of(new[-1].line)
        if key is not None:
            self.keys[key] = (new[0].seq, new[-1].seq)
        return Appended(new[0].seq, new[-1].seq, tuple(new))


class Follower:
    """A position in a stream."""

    def __init__(self, log: DictLog, stream: str, after: int) -> None:
        self._log, self._stream, self.position = log, stream, after

    async def receive(self) -> Sequence[Record]:
        """The next records; waits until there is one."""
        while not (page := await self._log.read(self._stream, after=self.position)):
            await self._log.grown.park()
        self.position = page[-1].seq
        return page


class DictLog:
    """See `codexd_eventstore.event_log.EventLog` for what each method promises."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self._hub = ChangeHub()
        self.grown = trio.lowlevel.ParkingLot()

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int,
        at_us: int,
        durable: bool,
        key: str | None = None,
    ) -> Appended:
        """Append all events or none."""
        check_name(stream, "stream")
        held = self._streams.get(stream)
        if held is None and expected_version:
            raise NotFound(f"there is no stream {stream}: nothing was appended")
        held = held or Stream(chain_start(stream))
        if key is not None and (span := held.keys.get(key)) is not None:
            return Appended(*span, tuple(held.records[span[0] - 1 : span[1]]), repeated=True)
        if expected_version != len(held.records):
            raise Conflict(stream, expected_version, len(held.records))
        return self._shown(stream, held, held.add(events, at_us, key, None))

    async def read(
        self, stream: str, *, after: int = 0, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records after `after`, oldest first."""
        await trio.lowlevel.checkpoint_if_cancelled()
        limit = min(limit, PAGE_RECORDS_MAX)
        return bounded(self._held(stream).records[after : after + limit])

    async def read_back(
        self, stream: str, *, before: int | None = None, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records before `before`, newest first."""
        records = self._held(stream).records
        front = records if before is None else records[: max(0, before - 1)]
        return bounded(front[::-1][: min(limit, PAGE_RECORDS_MAX)])

    @contextmanager
    def subscribe(self, stream: str, *, after: int = 0) -> Iterator[Subscription]:
        """Follow a stream from a position."""
        yield Follower(self, stream, after)

    async def head(self, stream: str) -> Head:
        """Say where the stream stands."""
        held = self._held(stream)
        origin = held.origin or Origin("", 0, "")
        return Head(stream, len(held.records), parent=origin.stream or None, parent_seq=origin.seq)

    async def fork(
        self, parent: str, at_seq: int, child: str, events: Sequence[NewEvent], *, at_us: int
    ) -> Appended:
        """Make `child` share the records of `parent` up to `at_seq`, and append to it."""
        check_name(child, "stream")
        shared = self._held(parent).records[:at_seq]
        if len(shared) != at_seq or (shared and marks_of(shared[-1]).more):
            raise Refused(f"stream {parent} cannot be forked at {at_seq}, or within an append")
        if child in self._streams:
            raise Exists(f"there is a stream {child} already: nothing was forked")
        chain = crc_of(shared[-1].line) if shared else chain_start(parent)
        origin = origin_at(parent, at_seq, chain)
        held = Stream(origin.chain, shared, origin)
        return self._shown(child, held, held.add(events, at_us, None, origin))

    async def find_key(self, stream: str, key: str) -> tuple[int, int] | None:
        """The first and last `seq` of the append that an idempotency key was given with."""
        return self._held(stream).keys.get(key)

    async def streams(self, *, archived: bool = False) -> list[StreamEntry]:
        """All streams; none is archived."""
        return [
            StreamEntry(
                stream, False, sum(len(record.line) + 1 for record in held.records), held.at_us
            )
            for stream, held in self._streams.items()
            if not archived
        ]

    def changes(self) -> AbstractContextManager[Changes]:
        """Hear which streams change."""
        return self._hub.listening()

    def _held(self, stream: str) -> Stream:
        check_name(stream, "stream")
        if stream not in self._streams:
            raise NotFound(f"there is no stream {stream}")
        return self._streams[stream]

    def _shown(self, stream: str, held: Stream, answer: Appended) -> Appended:
        self._streams[stream] = held
        self.grown.unpark_all()
        self._hub.tell(stream)
        return answer
