"""The default engine: one JSONL file per stream, one process at a time, readable with any text tool.

    async with open_jsonl_store(Path("home"), state_dir=Path("home/state")) as store:
        await store.append("orders", [NewEvent("order.placed", b"{}")], expected_version=0, …)

Law: nothing outside the logs is truth. Files are found by name, opened on first use, checked whole, and only
ever appended to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import trio

from codexd_eventstore.blobs import Blobs
from codexd_eventstore.checkpoints import Checkpoints
from codexd_eventstore.committer import Committer
from codexd_eventstore.drafts import Drafts
from codexd_eventstore.family import Family
from codexd_eventstore.files import FULL_ERRNOS, FileSystem
from codexd_eventstore.lines import frame, origin_at
from codexd_eventstore.log import Log, appended, forked_lineage
from codexd_eventstore.places import Places, absolute, check_name, make_root, take_lock
from codexd_eventstore.reading import fork_point, read_piece, read_range
from codexd_eventstore.shelf import Shelf
from codexd_eventstore.store import (
    PAGE_RECORDS_MAX,
    Appended,
    BlobRef,
    Conflict,
    Draft,
    Exists,
    Head,
    LeftDraft,
    NewEvent,
    NotFound,
    Record,
    Refused,
    StoreError,
    StoreFailed,
    StreamEntry,
    Subscription,
    Verdict,
)
from codexd_eventstore.subscription import Followed, following
from codexd_eventstore.verifying import verify_log

# How long a store that closes waits for the disk to take what was accepted.
CLOSE_SECONDS_MAX: Final = 10

T = TypeVar("T")


@asynccontextmanager
async def open_jsonl_store(
    data_dir: Path | str,
    *,
    state_dir: Path | str,
    owner: str = "codexd_eventstore",
    files: FileSystem | None = None,
) -> AsyncIterator[JsonlStore]:
    """Own the store in `data_dir` for as long as the context lasts.

    Args:
        state_dir: where what may be lost lies.
        owner: what to write beside the pid into the lock, for people to read.

    Raises:
        Locked: another process owns it.
        StoreFailed: a folder cannot be made or read.
    """
    fs = files or FileSystem()
    root, state = absolute(data_dir), absolute(state_dir)
    try:
        make_root(fs, root)
        make_root(fs, state)
        lock = take_lock(fs, f"{root}/store.lock", owner)
    except OSError as error:
        raise StoreFailed(f"the store in {root} cannot be opened: {error}", retry=False) from error
    store = JsonlStore(fs, root, state)
    try:
        yield store
    finally:
        with trio.move_on_after(CLOSE_SECONDS_MAX, shield=True):
            await store.shut()
        fs.close(lock)


class JsonlStore:
    """See `codexd_eventstore.store.EventStore` for what each method promises."""

    def __init__(self, fs: FileSystem, root: str, state: str) -> None:
        self._fs = fs
        self._places = Places(fs, root)
        self._shelf = Shelf(fs, self._places)
        self._committer = Committer(fs, self._places, self._rest)
        self._family = Family(fs, self._places)
        self._blobs = Blobs(fs, self._places)
        self._drafts = Drafts(fs, self._places, self._blobs)
        self._checkpoints = Checkpoints(fs, state)

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
        """Append all events or none; cancelled after it was accepted, it is appended all the same."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            log = self._shelf.get(stream)
            if log is None:
                await self._open_or_add(stream, expected_version)
                continue
            if key is not None:
                if (span := log.keys.get(key)) is not None:
                    return await self._first_answer(log, span, durable)
                if (flight := log.in_flight(key)) is not None:
                    await flight.wait()
                    continue
            self._check_appendable(log, expected_version)
            if (crowd := self._committer.crowded(log)) is None:
                break
            await crowd.wait()
        at_us = max(at_us, log.accepted_at_us)
        try:
            records = frame(
                events, after=log.accepted_version, chain=log.accepted_chain, at_us=at_us, key=key
            )
            batch = self._committer.append(log, records, at_us=at_us, durable=durable, key=key)
        except StoreError:
            self._rest(log)  # it may have been added for this append alone
            raise
        if batch is not None:
            await batch.wait()
        return appended(records)

    async def read(
        self, stream: str, *, after: int = 0, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records behind `after`, oldest first; at most `PAGE_RECORDS_MAX`."""
        log = await self._shelf.open(stream)
        after = max(after, 0)
        last = min(log.version, after + min(limit, PAGE_RECORDS_MAX))
        return await read_range(self._shelf, self._fs, log, after + 1, last)

    async def read_back(
        self, stream: str, *, before: int | None = None, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records in front of `before`, newest first; at most `PAGE_RECORDS_MAX`."""
        log = await self._shelf.open(stream)
        last = log.version if before is None else min(log.version, before - 1)
        first = max(1, last - min(limit, PAGE_RECORDS_MAX) + 1)
        records = await read_range(self._shelf, self._fs, log, first, last)
        records.reverse()
        return records

    def subscribe(self, stream: str, *, after: int = 0) -> AbstractContextManager[Subscription]:
        """Follow a stream from a position for as long as the context lasts."""
        return following(self, stream, after)

    async def followed(self, stream: str) -> Followed:
        """For subscriptions: the open stream."""
        return self._shelf.get(stream) or await self._shelf.open(stream)

    async def piece(self, stream: str, after: int) -> list[Record]:
        """For subscriptions: some records behind `after`."""
        log = await self._shelf.open(stream)
        return await read_piece(self._shelf, self._fs, log, after)

    async def head(self, stream: str) -> Head:
        """Open the stream, repair a torn tail, and say where it stands."""
        log = await self._shelf.open(stream)
        parent = None if log.origin is None else log.origin.stream
        return Head(stream, log.version, log.archived, parent, log.base, log.path, log.repaired)

    async def fork(
        self, parent: str, at_seq: int, child: str, events: Sequence[NewEvent], *, at_us: int
    ) -> Appended:
        """Make `child` share the records of `parent` up to `at_seq`, by reference, and append to it."""
        check_name(child, "stream")
        with self._family.birth(parent, child):
            source = await self._shelf.open(parent)
            chain, parent_at_us = await fork_point(self._shelf, self._fs, source, at_seq)
            self._check_alive(source)
            # A child must not name records that a power cut could take from its parent.
            await self._committer.settle(source)
            at_us = max(at_us, parent_at_us)
            origin = origin_at(parent, at_seq, chain)
            records = frame(events, after=at_seq, chain=chain, at_us=at_us, origin=origin)
            async with self._shelf.gate(child):
                if self._shelf.get(child) is not None or self._shelf.is_there(child):
                    raise Exists(f"there is a stream {child} already: nothing was forked")
                log = self._shelf.add_new(child, origin)
                log.lineage = forked_lineage(source, at_seq)
                # Accepted before anybody else can find it without a record.
                batch = self._committer.append(log, records, at_us=at_us, durable=True, key=None)
            if batch is not None:
                await batch.wait()
        return appended(records)

    async def archive(self, stream: str) -> None:
        """Put it aside: it still reads, and refuses appends."""
        async with self._shelf.gate(stream):
            log = await self._shelf.open_gated(stream)
            self._check_born(log)
            if not log.archived:
                # Refused from here on, so that nothing is appended while the file moves.
                log.archived = True
                try:
                    await self._committer.settle(log)
                    await self._move(log, self._places.archived_log(stream))
                finally:
                    log.archived = log.path == self._places.archived_log(stream)

    async def unarchive(self, stream: str) -> None:
        """Bring it back."""
        async with self._shelf.gate(stream):
            log = await self._shelf.open_gated(stream)
            self._check_born(log)
            if log.archived:
                try:
                    await self._move(log, self._places.log(stream))
                finally:
                    log.archived = log.path == self._places.archived_log(stream)

    async def delete(self, stream: str) -> None:
        """Remove it for good; the first call of a store looks into every log for children."""
        with self._family.death(stream):
            async with self._shelf.gate(stream):
                path = self._shelf.find(stream)[0]
                children = await self._blocking(self._family.children, stream)
                if children:
                    some = ", ".join(sorted(children)[:3])
                    raise Refused(
                        f"stream {stream}: {len(children)} streams were forked from it ({some}):"
                        " it was not deleted"
                    )
                await self._delete(stream, path)

    async def verify(self, stream: str) -> Verdict:
        """Read all of its own records and check them and its link to its parent; changes nothing."""
        log = self._shelf.get(stream)
        end = log.size if log is not None and log.is_born else None
        path = self._shelf.find(stream)[0]
        return await self._blocking(verify_log, self._fs, self._shelf, path, stream, end)

    async def streams(self, *, archived: bool = False) -> list[StreamEntry]:
        """All streams, or all archived ones, in no particular order."""

        def rows() -> list[StreamEntry]:
            return [
                StreamEntry(stream, archived, row.size_bytes, row.modified_us)
                for stream, _, row in self._places.logs(archived=archived)
            ]

        return await self._blocking(rows)

    def close(self, stream: str) -> None:
        """Forget what is kept in memory for it, as soon as nothing of it is in flight."""
        log = self._shelf.get(stream)
        if log is not None:
            log.forget = True
            self._rest(log)
        self._drafts.forget(stream)

    def open_draft(self, stream: str, name: str, header: bytes) -> Draft:
        """Start a draft beside the stream."""
        return self._drafts.open(stream, name, header)

    async def left_drafts(self, stream: str) -> list[LeftDraft]:
        """The drafts that a dead process left beside the stream, oldest first."""
        return await self._blocking(self._drafts.left, stream)

    async def drop_left_drafts(self, stream: str) -> None:
        """Remove those."""
        await self._blocking(self._drafts.drop_left, stream)

    async def put_blob(self, content: bytes) -> BlobRef:
        """Store bytes under their sha256, on disk when it returns."""
        return await self._blocking(self._blobs.put, content)

    async def read_blob(self, sha256: str, *, start: int = 0, end: int | None = None) -> bytes:
        """The bytes of a blob, or a range of them."""
        return await self._blocking(self._blobs.read, sha256, start, end)

    async def checkpoint(self, consumer: str, stream: str) -> int:
        """How far a consumer has come in a stream; 0 at first."""
        return self._checkpoints.get(consumer, stream)

    async def set_checkpoint(self, consumer: str, stream: str, seq: int) -> None:
        """Remember how far it has come."""
        self._checkpoints.set(consumer, stream, seq)

    async def shut(self) -> None:
        """Have everything on disk and close all files."""
        for log in self._shelf.all():
            try:
                await self._committer.settle(log)
            except StoreFailed:
                continue  # whoever appended was told
        self._drafts.release()
        await self._committer.stop()

    def _check_alive(self, log: Log) -> None:
        if log.deleted:
            raise NotFound(f"there is no stream {log.stream}: it was deleted")
        if log.failed is not None:
            raise StoreFailed(f"{log.failed} (the stream takes nothing any more)", retry=False)

    def _check_born(self, log: Log) -> None:
        if not log.is_born:
            raise NotFound(f"there is no stream {log.stream}")

    def _check_appendable(self, log: Log, expected_version: int) -> None:
        self._check_alive(log)
        if log.archived:
            raise Refused(f"stream {log.stream} is archived: nothing was appended")
        if expected_version != log.accepted_version:
            if log.accepted_version == 0:
                raise NotFound(f"there is no stream {log.stream}: nothing was appended")
            raise Conflict(log.stream, expected_version, log.accepted_version)

    async def _open_or_add(self, stream: str, expected_version: int) -> None:
        async with self._shelf.gate(stream):
            try:
                await self._shelf.open_gated(stream)
            except NotFound:
                if expected_version != 0:
                    raise
                self._shelf.add_new(stream)

    async def _first_answer(self, log: Log, span: tuple[int, int], durable: bool) -> Appended:
        if durable and log.failed is None:
            await self._committer.settle(log)
        records = await read_range(self._shelf, self._fs, log, *span)
        return Appended(*span, tuple(records), repeated=True)

    async def _move(self, log: Log, target: str) -> None:
        """Rename the log's file; whoever holds the gate calls it, and nothing is in flight."""
        self._committer.release(log)
        folders = [path.rpartition("/")[0] for path in (target, log.path)]

        def move() -> None:
            self._places.prepare(folders[0])
            if self._fs.state(target) is not None:
                raise Exists(f"{target} is there already: {log.path} was not moved")
            self._fs.rename(log.path, target)
            log.path = target
            for folder in folders:
                self._fs.sync_folder(folder)

        await self._blocking(move)

    async def _delete(self, stream: str, path: str) -> None:
        log = self._shelf.get(stream)
        if log is not None:
            log.deleted = True  # no append is accepted from here on
            try:
                await self._committer.settle(log)
            except StoreFailed:
                log.unsynced = False  # it goes either way
            except BaseException:
                log.deleted = False
                raise
        try:
            await self._blocking(self._places.remove_log, path)
        except BaseException:
            if log is not None:
                log.deleted = self._fs.state(path) is None
            raise
        if log is not None:
            self._committer.release(log)
            self._shelf.remove(log)
        self._drafts.drop_all(stream)
        self._checkpoints.drop(stream)

    def _rest(self, log: Log) -> None:
        """Let go of a log that nobody needs in memory, once nothing of it is in flight."""
        if not log.is_idle or log.unsynced:
            return
        if log.forget or not log.is_born:
            self._committer.release(log)
            self._shelf.remove(log)

    async def _blocking(self, call: Callable[..., T], *args: object) -> T:
        """Run what blocks in a thread; its errors become ours."""
        try:
            return await trio.to_thread.run_sync(call, *args)
        except OSError as error:
            raise StoreFailed(f"{error}", retry=error.errno in FULL_ERRNOS) from error
