"""One stream of the engine without files: all of its records, in a list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import trio

from codexd_eventstore.changes import ChangeHub
from codexd_eventstore.disk.blobs import names_in
from codexd_eventstore.format.lines import (
    Origin,
    at_us_of,
    chain_start,
    crc_of,
    frame,
    rechained,
    with_data,
)
from codexd_eventstore.format.seals import Seals, Writers
from codexd_eventstore.store import Appended, NewEvent, Record, Rewritten, Snapshot, StoreFailed


class MemoryStream:
    """A stream in memory: all its records, the inherited included, by reference."""

    def __init__(
        self,
        name: str,
        inherited: Sequence[Record],
        origin: Origin | None,
        hub: ChangeHub,
        beginning: int | None = None,
        seals: Seals | None = None,
        lineage: Iterable[tuple[str, int]] = (),
    ) -> None:
        self.name = name
        self.origin = origin
        self.base = len(inherited)
        self.beginning = chain_start(name) if beginning is None else beginning
        self.generation = 1
        self.records = list(inherited)
        self.keys: dict[str, tuple[int, int]] = {}
        self.snapshots: dict[str, tuple[Snapshot, int]] = {}  # with the checksum at its `seq`
        self.hub = hub
        self.lineage = tuple(lineage)  # it stays where the stream is detached
        self.writers = None if seals is None else Writers(seals, name, self.lineage)
        self.at_us = at_us_of(inherited[-1]) if inherited else 0
        self.archived = False
        self.deleted = False
        self.failed: StoreFailed | None = None
        self.followers = trio.lowlevel.ParkingLot()

    @property
    def version(self) -> int:
        """The `seq` of the last record."""
        return len(self.records)

    @property
    def chain(self) -> int:
        """The checksum that the next own record is chained to."""
        return crc_of(self.records[-1].line) if self.own else self.first_chain

    @property
    def first_chain(self) -> int:
        """The checksum that its first own record is chained to."""
        return self.beginning if self.origin is None else self.origin.chain

    @property
    def own(self) -> list[Record]:
        """Its records without those that it inherited."""
        return self.records[self.base :]

    def crc_at(self, seq: int) -> int:
        """The checksum of a record; 0 before the first."""
        return crc_of(self.records[seq - 1].line) if seq else 0

    def append(
        self, events: Sequence[NewEvent], at_us: int, key: str | None, origin: Origin | None
    ) -> Appended:
        at_us = max(at_us, self.at_us)
        records = frame(
            events,
            after=self.version,
            chain=self.chain,
            at_us=at_us,
            key=key,
            origin=origin,
            seal=None if self.writers is None else self.writers.at(self.version + 1),
        )
        self.records += records
        self.at_us = at_us
        if key is not None:
            self.keys[key] = (records[0].seq, records[-1].seq)
        self.followers.unpark_all()
        self.hub.tell(self.name)
        return Appended(records[0].seq, records[-1].seq, tuple(records))

    def detach(self) -> None:
        """Make what it inherited its own."""
        # In one chain, which they may not be where an ancestor was scrubbed.
        self.records, _ = self._chained(self.records, self.beginning, lambda _: None)
        self.origin, self.base = None, 0
        self.generation += 1

    def scrub(
        self, streams: Collection[MemoryStream], edit: Callable[[Record], bytes | None]
    ) -> Rewritten:
        """Give records other data; descendants read what they inherited as it is now."""
        own, changed = self._chained(self.own, self.first_chain, edit)
        if changed:
            self.records[self.base :] = own
            self.generation += 1
            self._pass_on(streams)
        return Rewritten(self.name, self.generation, len(own), changed)

    def _chained(
        self, records: Iterable[Record], chain: int, edit: Callable[[Record], bytes | None]
    ) -> tuple[list[Record], int]:
        """The records in one chain after the edits, and how many have other data."""
        chained: list[Record] = []
        changed = 0
        for record in records:
            data = edit(record)
            line = rechained(record.line, chain)
            seal = None if self.writers is None else self.writers.at(record.seq)
            if data is not None and (edited := with_data(record, data, chain, seal)) != line:
                line, changed = edited, changed + 1
            chain = crc_of(line)
            chained.append(Record(record.seq, line))
        return chained, changed

    def _pass_on(self, streams: Collection[MemoryStream]) -> None:
        for child in streams:
            if child.origin is not None and child.origin.stream == self.name:
                child.records[: child.base] = self.records[: child.base]
                child._pass_on(streams)


def named_by(records: Sequence[Record]) -> set[str]:
    """The texts in them that may be names of blobs."""
    return {name for record in records for name in names_in(record.line)}
