"""One stream of the engine without files: all of its records, in a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import trio

from codexd_eventstore.changes import ChangeHub
from codexd_eventstore.format.lines import Origin, at_us_of, chain_start, crc_of, frame
from codexd_eventstore.format.seals import Seals, Writers
from codexd_eventstore.store import Appended, NewEvent, Record, Snapshot, StoreFailed


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
        if len(self.records) > self.base:
            return crc_of(self.records[-1].line)
        return self.beginning if self.origin is None else self.origin.chain

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
