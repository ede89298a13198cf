"""The default engine: one JSONL file per stream, one process at a time, readable with any text tool.

    async with open_jsonl_store(Path("home"), state_dir=Path("home/state")) as store:
        await store.append("orders", [NewEvent("order.placed", b"{}")], expected_version=0, …)

Law: nothing outside the logs is truth. Files are found by name, opened on first use, checked whole, and only
ever appended to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
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
    BlobRef,
    Changes,
    Draft,
    Head,
    LeftDraft,
    Record,
    StoreFailed,
    StreamEntry,
    Subscription,
    Verdict,
)
from codexd_eventstore.subscription import CatchUp, Followed

# How long a store that closes waits for the disk to take what was accepted.
CLOSE_SECONDS_MAX: Final = 10


@asynccontextmanager
async def open_jsonl_store(
    data_dir: Path | str,
    *,
    state_dir: Path | str,
    files: FileSystem | None = None,
    redact: Redact | None = None,
    sealed: bool = False,
) -> AsyncIterator[JsonlStore]:
    """Own the store in `data_dir` for as long as the context lasts.

    Args:
        state_dir: where what may be lost lies.
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
        lock = take_lock(fs, f"{root}/store.lock")
    except OSError as error:
        raise StoreFailed(f"the store in {root} cannot be opened: {error}", retry=False) from error
    store = JsonlStore(fs, root, state, redact)
    try:
        await blocking(store.layout.drop_successors)
        if sealed:
            await blocking(store.inherited.read)
            store.seals = await blocking(
                partial(take_seals, fs, store.layout, store.unsealed, is_older=is_older)
            )
        yield store
    finally:
        with trio.move_on_after(CLOSE_SECONDS_MAX, shield=True):
            await store.shut()
        fs.close(lock)


class JsonlStore(Engine):
    """See `codexd_eventstore.store.EventStore` for what each method promises."""

    append = append.append
    fork = fork.fork
    unarchive = archive.unarchive
    archive = archive.archive
    scrub = rewrite.scrub
    salvage = salvage.salvage
    delete = delete.delete
    pack = pack.pack
    unpack = unpack.unpack
    sweep_blobs = sweep.sweep
    foreign_in = lookup.foreign_in
    snapshot = lookup.snapshot
    set_snapshot = lookup.set_snapshot

    async def read(
        self, stream: str, *, after: int = 0, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        log = await self.open_logs.open(stream)
        after = max(after, 0)
        last = min(log.version, after + min(limit, PAGE_RECORDS_MAX))
        return await read_range(self.open_logs, self.fs, log, after + 1, last, PAGE_BYTES_MAX)

    async def read_back(
        self, stream: str, *, before: int | None = None, limit: int = PAGE_RECORDS_MAX
    ) -> list[Record]:
        log = await self.open_logs.open(stream)
        last = log.version if before is None else min(log.version, before - 1)
        first = max(1, last - min(limit, PAGE_RECORDS_MAX) + 1)
        while True:
            records = await read_range(self.open_logs, self.fs, log, first, last, PAGE_BYTES_MAX)
            if not records or records[-1].seq == last:
                records.reverse()
                return records
            # They are too long for one page: take the newer half.
            first = last - (last - first) // 2

    def subscribe(self, stream: str, *, after: int = 0) -> AbstractContextManager[Subscription]:
        return nullcontext(CatchUp(self, stream, after))

    async def followed(self, stream: str) -> Followed:
        """For subscriptions: the open stream."""
        return self.open_logs.get(stream) or await self.open_logs.open(stream)

    async def piece(self, stream: str, after: int) -> list[Record]:
        """For subscriptions: some records after `after`."""
        log = await self.open_logs.open(stream)
        return await read_piece(self.open_logs, self.fs, log, after)

    async def head(self, stream: str) -> Head:
        log = await self.open_logs.open(stream)
        parent = None if log.origin is None else log.origin.stream
        return Head(stream, log.version, log.archived, parent, log.base, log.path, log.repaired)

    async def children(self, stream: str) -> list[str]:
        self.open_logs.find(stream)
        return sorted(await blocking(self.forks.children, stream))

    async def blobs(self) -> list[BlobRef]:
        return await blocking(lambda: [BlobRef(*row) for row in self.blob_files.all()])

    async def verify_blob(self, sha256: str) -> str | None:
        return await blocking(self.blob_files.check, sha256)

    async def verify(self, stream: str) -> Verdict:
        while True:
            path = self.open_logs.find_or_emptied(stream)
            before = await blocking(self.fs.state, path)
            log = self.open_logs.get(stream)
            end = log.size if log is not None and log.is_born else None
            hint = self.notes.hint(stream) if end is None else None
            try:
                verdict = await blocking(
                    verify_log, self.fs, self.open_logs, path, stream, end, hint
                )
            except StoreFailed:
                if self.open_logs.find_or_emptied(stream) == path:
                    raise
                continue  # it was archived or brought back meanwhile
            after = await blocking(self.fs.state, path)
            is_same = before == after if end is None else _is_one_file(before, after)
            if verdict.damage is None or (self.open_logs.get(stream) is log and is_same):
                return replace(verdict, archived=path == self.layout.archived_log(stream))
            # It was opened, closed, rewritten or appended to meanwhile: then this is about another file.

    async def streams(self, *, archived: bool = False) -> list[StreamEntry]:
        def rows() -> list[StreamEntry]:
            return [
                StreamEntry(stream, archived, row.size_bytes, row.modified_us, path)
                for stream, path, row in self.layout.logs(archived=archived)
            ]

        return await blocking(rows)

    def close(self, stream: str) -> None:
        """Forget what is kept in memory for it, as soon as nothing of it is in flight."""
        log = self.open_logs.get(stream)
        if log is not None:
            self.evict(log)
        self.drafts.forget(stream)

    def open_draft(self, stream: str, name: str, header: bytes) -> Draft:
        return self.drafts.open(stream, name, header)

    def reopen_draft(self, stream: str, left: LeftDraft) -> Draft:
        return self.drafts.reopen(stream, left)

    async def left_drafts(self, stream: str) -> list[LeftDraft]:
        return await blocking(self.drafts.left, stream)

    async def drop_left_drafts(self, stream: str) -> None:
        await blocking(self.drafts.drop_left, stream)

    async def put_blob(self, content: bytes, *, as_it_is: bool = False) -> BlobRef:
        clean = content if as_it_is else await self.redacting.ready_content(content)
        return await blocking(self.blob_files.put, clean)

    async def read_blob(self, sha256: str, *, start: int = 0, end: int | None = None) -> bytes:
        return await blocking(self.blob_files.read, sha256, start, end)

    async def find_key(self, stream: str, key: str) -> tuple[int, int] | None:
        return await lookup.find_key(self, await self.open_logs.open(stream), key)

    def changes(self) -> AbstractContextManager[Changes]:
        return self.hub.listening()

    async def checkpoint(self, consumer: str, stream: str) -> int:
        check_name(consumer, "consumer")
        check_name(stream, "stream")
        return self.notes.checkpoint(stream, consumer)

    async def set_checkpoint(
        self, consumer: str, stream: str, seq: int, *, written: bool = False
    ) -> None:
        check_name(consumer, "consumer")
        check_name(stream, "stream")
        self.notes.set_checkpoint(stream, consumer, seq)
        if written:
            await self.notes.write_out()

    async def until_written(self) -> None:
        await self.committer.until_written()

    async def shut(self) -> None:
        """Have everything on disk and close all files."""
        for log in self.open_logs.all():
            if log.is_idle and not log.unsynced:
                continue  # nothing of it was written here; an older process may have left it unsynced
            try:
                await self.committer.settle(log)
            except StoreFailed:
                continue  # the append has raised it
        for log in self.open_logs.all():
            self.note(log)
        self.drafts.release()
        await self.committer.stop()
        await self.notes.shut()


def _is_one_file(state: FileState | None, other: FileState | None) -> bool:
    """Whether a path led to the same file twice, however it has grown in between."""
    if state is None or other is None:
        return state is other
    return (state.device, state.inode) == (other.device, other.inode)
