"""The default engine: one JSONL file per stream, one process at a time, readable with any text tool.

    async with open_jsonl_store(Path("home"), state_dir=Path("home/state")) as store:
        await store.append("orders", [NewEvent("order.placed", b"{}")], expected_version=0, …)

Law: nothing outside the logs is truth. Files are found by name, opened on first use, checked whole, and only
ever appended to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio
from msgspec.structs import replace

from codexd_eventstore.disk.files import FileState, FileSystem
from codexd_eventstore.disk.layout import absolute, check_name, make_root, take_lock
from codexd_eventstore.disk.own_records import take_seals
from codexd_eventstore.disk.redact import Redact
from codexd_eventstore.log.read import read_piece, read_range
from codexd_eventstore.log.verify import verify_log
from codexd_eventstore.operations import (
    append,
    archive,
    delete,
    fork,
    lookup,
    pack,
    rewrite,
    salvage,
    sweep,
    unpack,
)
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.store import (
    PAGE_BYTES_MAX,
    PAGE_RECORDS_MAX,
    Appended,
    BlobRef,
    Changes,
    Draft,
    Head,
    LeftDraft,
    NewEvent,
    Package,
    Record,
    Rewritten,
    Snapshot,
    StoreFailed,
    StreamEntry,
    Subscription,
    Swept,
    Unpacked,
    Verdict,
)
from codexd_eventstore.subscription import Followed, following

# How long a store that closes waits for the disk to take what was accepted.
CLOSE_SECONDS_MAX: Final = 10


@asynccontextmanager
async def open_jsonl_store(
    data_dir: Path | str,
    *,
    state_dir: Path | str,
    owner: str = "codexd_eventstore",
    files: FileSystem | None = None,
    redact: Redact | None = None,
    sealed: bool = False,
) -> AsyncIterator[JsonlStore]:
    """Own the store in `data_dir` for as long as the context lasts.

    Args:
        state_dir: where what may be lost lies.
        owner: what to write beside the pid into the lock, for people to read.
        redact: takes out of events and blobs what must not be stored, before it is.
        sealed: records get seals, so that `foreign_in` knows those that were not written here.

    Raises:
        Locked: another process owns it.
        StoreFailed: a folder cannot be made or read.
    """
    fs = files or FileSystem()
    root, state = absolute(data_dir), absolute(state_dir)
    try:
        make_root(fs, root)
        make_root(fs, state)
        is_older = fs.state(f"{root}/store.lock") is not None
        lock = take_lock(fs, f"{root}/store.lock", owner)
    except OSError as error:
        raise StoreFailed(f"the store in {root} cannot be opened: {error}", retry=False) from error
    engine = Engine(fs, root, state, redact)
    store = JsonlStore(engine)
    try:
        await blocking(engine.layout.drop_successors)
        if sealed:
            await blocking(engine.inherited.read)
            engine.seals = await blocking(
                partial(take_seals, fs, engine.layout, engine.unsealed, is_older=is_older)
            )
        yield store
    finally:
        with trio.move_on_after(CLOSE_SECONDS_MAX, shield=True):
            await store.shut()
        fs.close(lock)


class JsonlStore:
    """See `codexd_eventstore.store.EventStore` for what each method promises."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._fs = engine.fs
        self._open_logs = engine.open_logs

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
        return await append.append(
            self._engine,
            stream,
            events,
            expected_version=expected_version,
            at_us=at_us,
            durable=durable,
            key=key,
        )

    async def read(
        self, stream: str, *, after: int = 0, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records after `after`, oldest first."""
        log = await self._open_logs.open(stream)
        after = max(after, 0)
        last = min(log.version, after + min(limit, PAGE_RECORDS_MAX))
        return await read_range(self._open_logs, self._fs, log, after + 1, last, PAGE_BYTES_MAX)

    async def read_back(
        self, stream: str, *, before: int | None = None, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        """The records before `before`, newest first."""
        log = await self._open_logs.open(stream)
        last = log.version if before is None else min(log.version, before - 1)
        first = max(1, last - min(limit, PAGE_RECORDS_MAX) + 1)
        while True:
            records = await read_range(self._open_logs, self._fs, log, first, last, PAGE_BYTES_MAX)
            if not records or records[-1].seq == last:
                records.reverse()
                return records
            first = (
                last - (last - first) // 2
            )  # They are too long for one page: take the newer half.

    def subscribe(self, stream: str, *, after: int = 0) -> AbstractContextManager[Subscription]:
        """Follow a stream from a position for as long as the context lasts."""
        return following(self, stream, after)

    async def followed(self, stream: str) -> Followed:
        """For subscriptions: the open stream."""
        return self._open_logs.get(stream) or await self._open_logs.open(stream)

    async def piece(self, stream: str, after: int) -> list[Record]:
        """For subscriptions: some records after `after`."""
        log = await self._open_logs.open(stream)
        return await read_piece(self._open_logs, self._fs, log, after)

    async def head(self, stream: str) -> Head:
        """Open the stream, repair a torn tail, and return its head."""
        log = await self._open_logs.open(stream)
        parent = None if log.origin is None else log.origin.stream
        return Head(stream, log.version, log.archived, parent, log.base, log.path, log.repaired)

    async def fork(
        self, parent: str, at_seq: int, child: str, events: Sequence[NewEvent], *, at_us: int
    ) -> Appended:
        """Make `child` share the records of `parent` up to `at_seq`, by reference, and append to it."""
        return await fork.fork(self._engine, parent, at_seq, child, events, at_us=at_us)

    async def archive(self, stream: str) -> None:
        """Put it aside: it still reads, and refuses appends."""
        await archive.archive(self._engine, stream)

    async def unarchive(self, stream: str) -> None:
        """Bring it back."""
        await archive.unarchive(self._engine, stream)

    async def scrub(
        self, stream: str, edit: Callable[[Record], bytes | None], *, at_us: int
    ) -> Rewritten:
        """Rewrite its own records where `edit` returns other data than the record has."""
        return await rewrite.scrub(self._engine, stream, edit, at_us=at_us)

    async def salvage(self, stream: str, *, at_us: int) -> Rewritten:
        """Make a damaged log readable: `log.lost` records replace what is broken."""
        return await salvage.salvage(self._engine, stream, at_us=at_us)

    async def delete(self, stream: str, *, detach_children: bool = False) -> frozenset[str]:
        """Remove it permanently; the first call of a store looks into every log for children."""
        return await delete.delete(self._engine, stream, detach_children=detach_children)

    async def children(self, stream: str) -> list[str]:
        """The streams that were forked from it directly, sorted."""
        self._open_logs.find(stream)
        return sorted(await blocking(self._engine.forks.children, stream))

    async def pack(self, stream: str, path: str) -> Package:
        """Write it, what it inherited and the blobs that they name into one new file."""
        return await pack.pack(self._engine, stream, path)

    async def unpack(self, path: str, accepts: Callable[[str], bool] | None = None) -> Unpacked:
        """Take in what such a file holds."""
        return await unpack.unpack(self._engine, path, accepts)

    async def sweep_blobs(self, among: Collection[str] | None = None) -> Swept:
        """Remove the blobs (of those named, or of all) that nothing names any more."""
        return await sweep.sweep(self._engine, among)

    async def blobs(self) -> list[BlobRef]:
        """All blobs, in no particular order."""
        return await blocking(lambda: [BlobRef(*row) for row in self._engine.blobs.all()])

    async def verify_blob(self, sha256: str) -> str | None:
        """The problem of a blob, if any; it is read piece by piece."""
        return await blocking(self._engine.blobs.check, sha256)

    async def verify(self, stream: str) -> Verdict:
        """Read all of its own records and check them and its link to its parent; changes nothing."""
        while True:
            path = self._open_logs.find_or_emptied(stream)
            before = await blocking(self._fs.state, path)
            log = self._open_logs.get(stream)
            end = log.size if log is not None and log.is_born else None
            hint = self._engine.notes.hint(stream) if end is None else None
            try:
                verdict = await blocking(
                    verify_log, self._fs, self._open_logs, path, stream, end, hint
                )
            except StoreFailed:
                if self._open_logs.find_or_emptied(stream) == path:
                    raise
                continue  # it was archived or brought back meanwhile
            after = await blocking(self._fs.state, path)
            is_same = before == after if end is None else _is_one_file(before, after)
            if verdict.damage is None or (self._open_logs.get(stream) is log and is_same):
                return replace(verdict, archived=path == self._engine.layout.archived_log(stream))
            # It was opened, closed, rewritten or appended to meanwhile: then this is about another file.

    async def streams(self, *, archived: bool = False) -> list[StreamEntry]:
        """All streams, or all archived ones, in no particular order."""

        def rows() -> list[StreamEntry]:
            return [
                StreamEntry(stream, archived, row.size_bytes, row.modified_us, path)
                for stream, path, row in self._engine.layout.logs(archived=archived)
            ]

        return await blocking(rows)

    def close(self, stream: str) -> None:
        """Forget what is kept in memory for it, as soon as nothing of it is in flight."""
        log = self._open_logs.get(stream)
        if log is not None:
            self._engine.evict(log)
        self._engine.drafts.forget(stream)

    def open_draft(self, stream: str, name: str, header: bytes) -> Draft:
        """Start a draft beside the stream."""
        return self._engine.drafts.open(stream, name, header)

    async def left_drafts(self, stream: str) -> list[LeftDraft]:
        """The drafts that a dead process left beside the stream, oldest first."""
        return await blocking(self._engine.drafts.left, stream)

    async def drop_left_drafts(self, stream: str) -> None:
        """Remove those."""
        await blocking(self._engine.drafts.drop_left, stream)

    async def put_blob(self, content: bytes, *, as_it_is: bool = False) -> BlobRef:
        """Store bytes under their sha256, on disk when it returns."""
        clean = content if as_it_is else await self._engine.redacting.ready_content(content)
        return await blocking(self._engine.blobs.put, clean)

    async def read_blob(self, sha256: str, *, start: int = 0, end: int | None = None) -> bytes:
        """The bytes of a blob, or a range of them."""
        return await blocking(self._engine.blobs.read, sha256, start, end)

    async def foreign_in(self, stream: str, records: Sequence[Record]) -> frozenset[int]:
        """Which of a stream's records were not written by this store."""
        return await lookup.foreign_in(self._engine, stream, records)

    async def find_key(self, stream: str, key: str) -> tuple[int, int] | None:
        """The first and last `seq` of the append that an idempotency key was given with."""
        return await lookup.find_key(self._engine, await self._open_logs.open(stream), key)

    async def snapshot(self, stream: str, name: str) -> Snapshot | None:
        """The newest snapshot of that name that the log still agrees with."""
        return await lookup.snapshot(self._engine, stream, name)

    async def set_snapshot(self, stream: str, name: str, snapshot: Snapshot) -> None:
        """Replace the snapshot under the name."""
        await lookup.set_snapshot(self._engine, stream, name, snapshot)

    def changes(self) -> AbstractContextManager[Changes]:
        """Hear which streams change, for as long as the context lasts."""
        return self._engine.hub.listening()

    async def checkpoint(self, consumer: str, stream: str) -> int:
        """A consumer's position in a stream; 0 at first."""
        check_name(consumer, "consumer")
        check_name(stream, "stream")
        return self._engine.notes.checkpoint(stream, consumer)

    async def set_checkpoint(self, consumer: str, stream: str, seq: int) -> None:
        """Remember how far it has come."""
        check_name(consumer, "consumer")
        check_name(stream, "stream")
        self._engine.notes.set_checkpoint(stream, consumer, seq)

    async def shut(self) -> None:
        """Have everything on disk and close all files."""
        for log in self._open_logs.all():
            if log.is_idle and not log.unsynced:
                continue  # nothing of it was written here; an older process may have left it unsynced
            try:
                await self._engine.committer.settle(log)
            except StoreFailed:
                continue  # the append has raised it
        for log in self._open_logs.all():
            self._engine.note(log)
        self._engine.drafts.release()
        await self._engine.committer.stop()
        await self._engine.notes.shut()


def _is_one_file(state: FileState | None, other: FileState | None) -> bool:
    """Whether a path led to the same file twice, however it has grown in between."""
    if state is None or other is None:
        return state is other
    return (state.device, state.inode) == (other.device, other.inode)
