"""The engine without files: the same promises as the default one, for streams that end with their process.

Law: in all that the contract's tests can see, it behaves as the default engine. Nothing is durable.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext

import trio
from msgspec.structs import replace

from codexd_eventstore.changes import ChangeHub
from codexd_eventstore.disk.blobs import Recent
from codexd_eventstore.disk.layout import check_name
from codexd_eventstore.disk.redact import Redact, Redacting
from codexd_eventstore.format.lines import (
    NO_MARKS,
    chain_start,
    crc_of,
    marks_of,
    origin_at,
    read_lines,
)
from codexd_eventstore.format.seals import KEY_BYTES, Seals, Writers
from codexd_eventstore.log.log import forked_lineage
from codexd_eventstore.memory.streams import MemoryStream, named_by
from codexd_eventstore.operations.lookup import check_snapshot
from codexd_eventstore.reading import bounded
from codexd_eventstore.store import (
    PAGE_RECORDS_MAX,
    Appended,
    BlobRef,
    Changes,
    Conflict,
    Draft,
    Exists,
    Head,
    LeftDraft,
    NewEvent,
    NotFound,
    Package,
    Record,
    Refused,
    Rewritten,
    Snapshot,
    StreamEntry,
    Subscription,
    Swept,
    Unpacked,
    Verdict,
)
from codexd_eventstore.subscription import CatchUp


class MemoryDraft:
    """A draft in memory; see `codexd_eventstore.store.Draft`."""

    def __init__(self, store: MemoryStore, name: str) -> None:
        self._store = store
        self._name = name
        self._content: bytearray | None = bytearray()
        self._size = 0

    @property
    def size_bytes(self) -> int:
        return self._size

    def append(self, content: bytes) -> int:
        self._opened().extend(content)
        self._size += len(content)
        return self._size

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        return bytes(self._opened()[start:end])

    def drop(self) -> None:
        self._content = None

    async def keep(self, *, drop: bool = True) -> BlobRef:
        blob = await self._store.put_blob(bytes(self._opened()))
        if drop:
            self.drop()
        return blob

    def _opened(self) -> bytearray:
        if self._content is None:
            raise NotFound(f"draft {self._name} was dropped")
        return self._content


class MemoryStore:
    """See `codexd_eventstore.store.EventStore` for what each method promises."""

    def __init__(self, redact: Redact | None = None, *, sealed: bool = False) -> None:
        self._seals = Seals(os.urandom(KEY_BYTES)) if sealed else None
        self._redacting = Redacting(redact)
        self._streams: dict[str, MemoryStream] = {}
        self._blobs: dict[str, bytes] = {}
        self._recent = Recent()
        self._checkpoints: dict[tuple[str, str], int] = {}
        self._hub = ChangeHub()

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
        await trio.lowlevel.checkpoint_if_cancelled()
        check_name(stream, "stream")
        events, redacted = await self._redacting.ready(events)
        held = self._streams.get(stream)
        if held is None:
            if expected_version != 0:
                raise NotFound(f"there is no stream {stream}: nothing was appended")
            held = MemoryStream(stream, (), None, self._hub, seals=self._seals)
            answer = replace(held.append(events, at_us, key, None), redacted=redacted)
            self._streams[stream] = held
            return answer
        if key is not None and (span := held.keys.get(key)) is not None:
            return Appended(*span, tuple(held.records[span[0] - 1 : span[1]]), repeated=True)
        if held.archived:
            raise Refused(f"stream {stream} is archived: nothing was appended")
        if expected_version != held.version:
            raise Conflict(stream, expected_version, held.version)
        return replace(held.append(events, at_us, key, None), redacted=redacted)

    async def read(
        self, stream: str, *, after: int = 0, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        await trio.lowlevel.checkpoint_if_cancelled()
        after = max(after, 0)
        return bounded(self._held(stream).records[after : after + min(limit, PAGE_RECORDS_MAX)])

    async def read_back(
        self, stream: str, *, before: int | None = None, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        await trio.lowlevel.checkpoint_if_cancelled()
        held = self._held(stream)
        end = held.version if before is None else max(0, min(held.version, before - 1))
        records = held.records[max(0, end - min(limit, PAGE_RECORDS_MAX)) : end]
        records.reverse()
        return bounded(records)

    def subscribe(self, stream: str, *, after: int = 0) -> AbstractContextManager[Subscription]:
        return nullcontext(CatchUp(self, stream, after))

    async def followed(self, stream: str) -> MemoryStream:
        """For subscriptions: the open stream."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return self._held(stream)

    async def piece(self, stream: str, after: int) -> list[Record]:
        """For subscriptions: some records after `after`."""
        return await self.read(stream, after=after)

    async def head(self, stream: str) -> Head:
        held = self._held(stream)
        if held.origin is None:
            return Head(stream, held.version, held.archived)
        return Head(stream, held.version, held.archived, held.origin.stream, held.origin.seq)

    async def fork(
        self, parent: str, at_seq: int, child: str, events: Sequence[NewEvent], *, at_us: int
    ) -> Appended:
        check_name(child, "stream")
        events, redacted = await self._redacting.ready(events)
        source = self._held(parent)
        if not 0 <= at_seq <= source.version:
            raise Refused(
                f"stream {parent} has {source.version} records: it cannot be forked at {at_seq}"
            )
        marks = marks_of(source.records[at_seq - 1]) if at_seq else NO_MARKS
        if marks.more:
            raise Refused(f"stream {parent}: {at_seq} is within an append: nothing was forked")
        if child in self._streams:
            raise Exists(f"there is a stream {child} already: nothing was forked")
        chain = crc_of(source.records[at_seq - 1].line) if at_seq else chain_start(parent)
        origin = origin_at(parent, at_seq, chain)
        held = MemoryStream(
            child,
            source.records[:at_seq],
            origin,
            self._hub,
            source.beginning if at_seq else chain,
            self._seals,
            forked_lineage(source.lineage, parent, at_seq),
        )
        answer = replace(held.append(events, at_us, None, origin), redacted=redacted)
        self._streams[child] = held
        return answer

    async def archive(self, stream: str) -> None:
        self._held(stream).archived = True
        self._hub.tell(stream)

    async def unarchive(self, stream: str) -> None:
        self._held(stream).archived = False
        self._hub.tell(stream)

    async def delete(self, stream: str, *, detach_children: bool = False) -> frozenset[str]:
        held = self._held(stream)
        children = await self.children(stream)
        if children and not detach_children:
            some = ", ".join(children[:3])
            raise Refused(
                f"stream {stream}: {len(children)} streams were forked from it ({some}):"
                " it was not deleted"
            )
        for child in children:
            self._streams[child].detach()
        held.deleted = True
        del self._streams[stream]
        for pair in [pair for pair in self._checkpoints if pair[1] == stream]:
            del self._checkpoints[pair]
        held.followers.unpark_all()
        self._hub.tell(stream)
        named = named_by(held.own) & self._blobs.keys()
        for name in named:
            self._recent.release(name)
        return frozenset(named)

    async def children(self, stream: str) -> list[str]:
        self._held(stream)
        every = self._streams.values()
        return sorted(held.name for held in every if held.origin and held.origin.stream == stream)

    async def scrub(
        self, stream: str, edit: Callable[[Record], bytes | None], *, at_us: int
    ) -> Rewritten:
        held = self._held(stream)
        answer = held.scrub(self._streams.values(), edit)
        held.snapshots.clear()
        self._hub.tell(stream)
        return answer

    async def salvage(self, stream: str, *, at_us: int) -> Rewritten:
        """Nothing: memory is never damaged."""
        held = self._held(stream)
        return Rewritten(stream, held.generation, held.version - held.base, 0)

    async def pack(self, stream: str, path: str) -> Package:
        """Refused: what ends with its process is not carried elsewhere."""
        raise Refused(f"stream {stream} is in memory only: nothing was packed")

    async def unpack(self, path: str, accepts: Callable[[str], bool] | None = None) -> Unpacked:
        """Refused: see `pack`."""
        raise Refused(f"{path}: these streams are in memory only: nothing was unpacked")

    async def sweep_blobs(self, among: Collection[str] | None = None) -> Swept:
        looked_at = [name for name in self._blobs if among is None or name in among]
        named: set[str] = set()
        for held in self._streams.values():
            named |= named_by(held.records)
        gone = [name for name in looked_at if name not in named and name not in self._recent]
        size = sum(len(self._blobs.pop(name)) for name in gone)
        return Swept(len(looked_at), len(gone), size)

    async def blobs(self) -> list[BlobRef]:
        return [BlobRef(name, len(content)) for name, content in self._blobs.items()]

    async def verify_blob(self, sha256: str) -> str | None:
        """Nothing is wrong with what is there."""
        await self.read_blob(sha256)
        return None

    async def until_written(self) -> None:
        await trio.lowlevel.checkpoint()

    async def verify(self, stream: str) -> Verdict:
        held = self._held(stream)
        own = held.own
        whole = b"".join([record.line + b"\n" for record in own])
        found, _, _ = read_lines(whole, held.base, held.first_chain)
        if len(found) < len(own):
            why = f"record {held.base + len(found) + 1} is broken"
            return Verdict(stream, len(found), why, held.archived)
        return Verdict(stream, len(own), archived=held.archived)

    async def streams(self, *, archived: bool = False) -> list[StreamEntry]:
        return [
            StreamEntry(
                held.name,
                archived,
                sum([len(record.line) + 1 for record in held.own]),
                held.at_us,
            )
            for held in self._streams.values()
            if held.archived == archived
        ]

    def close(self, stream: str) -> None:
        """Nothing: memory is all there is."""

    def open_draft(self, stream: str, name: str, header: bytes) -> Draft:
        check_name(stream, "stream")
        check_name(name, "draft")
        if b"\n" in header:
            raise Refused(f"draft {name}: its header is one line: nothing was made")
        return MemoryDraft(self, name)

    def reopen_draft(self, stream: str, left: LeftDraft) -> Draft:
        """There is none: see `left_drafts`."""
        raise NotFound(f"no draft {left.name} of {stream} was left")

    async def left_drafts(self, stream: str) -> list[LeftDraft]:
        """None: they end with their process."""
        return []

    async def drop_left_drafts(self, stream: str) -> None:
        """Nothing: see `left_drafts`."""

    async def put_blob(self, content: bytes, *, as_it_is: bool = False) -> BlobRef:
        content = content if as_it_is else await self._redacting.ready_content(content)
        sha256 = hashlib.sha256(content).hexdigest()
        self._blobs.setdefault(sha256, content)
        self._recent.note(sha256)
        return BlobRef(sha256, len(content))

    async def read_blob(self, sha256: str, *, start: int = 0, end: int | None = None) -> bytes:
        if sha256 not in self._blobs:
            raise NotFound(f"there is no blob {sha256[:80]}")
        return self._blobs[sha256][start:end]

    async def foreign_in(self, stream: str, records: Sequence[Record]) -> frozenset[int]:
        """Which of a stream's records came in as `foreign` events."""
        if self._seals is None:
            return frozenset()
        writers = Writers(self._seals, stream, self._held(stream).lineage)
        return frozenset(record.seq for record in records if not writers.holds(record))

    async def find_key(self, stream: str, key: str) -> tuple[int, int] | None:
        return self._held(stream).keys.get(key)

    async def snapshot(self, stream: str, name: str) -> Snapshot | None:
        check_name(name, "snapshot")
        held = self._held(stream)
        taken, chain = held.snapshots.get(name, (None, 0))
        if taken is None or taken.seq > held.version or held.crc_at(taken.seq) != chain:
            return None
        return taken

    async def set_snapshot(self, stream: str, name: str, snapshot: Snapshot) -> None:
        check_name(name, "snapshot")
        held = self._held(stream)
        check_snapshot(stream, snapshot, held.version)
        held.snapshots[name] = (snapshot, held.crc_at(snapshot.seq))

    def changes(self) -> AbstractContextManager[Changes]:
        return self._hub.listening()

    async def checkpoint(self, consumer: str, stream: str) -> int:
        check_name(consumer, "consumer")
        check_name(stream, "stream")
        return self._checkpoints.get((consumer, stream), 0)

    async def set_checkpoint(
        self, consumer: str, stream: str, seq: int, *, written: bool = False
    ) -> None:
        check_name(consumer, "consumer")
        check_name(stream, "stream")
        self._checkpoints[consumer, stream] = seq

    def _held(self, stream: str) -> MemoryStream:
        check_name(stream, "stream")
        held = self._streams.get(stream)
        if held is None:
            raise NotFound(f"there is no stream {stream}")
        return held
