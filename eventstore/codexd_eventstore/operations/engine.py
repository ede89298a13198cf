"""The parts of the default engine, for its operations: each operation is a file of its own, and takes these.

Law: one set of parts per open store; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

from codexd_eventstore.changes import ChangeHub
from codexd_eventstore.disk.blobs import Blobs
from codexd_eventstore.disk.drafts import Drafts
from codexd_eventstore.disk.files import FileSystem, store_failed
from codexd_eventstore.disk.forks import Forks
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.disk.own_records import Inherited, Unsealed
from codexd_eventstore.disk.redact import Redact, Redacting
from codexd_eventstore.format.seals import Seal, Seals, Writers
from codexd_eventstore.log.committer import Committer
from codexd_eventstore.log.log import Log
from codexd_eventstore.log.open_logs import OpenLogs
from codexd_eventstore.sidecar.notes import Notes
from codexd_eventstore.store import NotFound, StoreFailed

T = TypeVar("T")


class Engine:
    """The parts of one open store. Made within the trio run that uses it."""

    def __init__(self, fs: FileSystem, root: str, state: str, redact: Redact | None = None) -> None:
        self.fs = fs
        self.redacting = Redacting(redact)
        self.layout = Layout(fs, root)
        self.unsealed = Unsealed(fs, f"{root}/unsealed.json")
        self.inherited = Inherited(fs, f"{root}/inherited.json")
        self.seals: Seals | None = None  # until the store takes them
        self.notes = Notes(f"{state}/notes.sqlite")
        self.hub = ChangeHub()
        self.open_logs = OpenLogs(fs, self.layout, self.notes, self.note, self.hub.tell, self.evict)
        self.committer = Committer(fs, self.layout, self.rest)
        self.forks = Forks(fs, self.layout)
        self.blob_files = Blobs(fs, self.layout)
        self.drafts = Drafts(fs, self.layout, self.blob_files, self.redacting)

    def seal_of(self, stream: str) -> Seal | None:
        """The key for the seals of the stream's new records; None where they have none."""
        return None if self.seals is None else self.seals.of(stream)

    def writers(self, stream: str) -> Writers | None:
        """By which seals the records in the stream's own file are known; None where none are."""
        if self.seals is None:
            return None
        return Writers(self.seals, stream, self.inherited.through(stream, ()))

    def rest(self, log: Log) -> None:
        """Close a log that is not needed in memory, if nothing of it is in flight."""
        if not log.is_idle or log.unsynced:
            return
        if log.forget or not log.is_born:
            self.note(log)
            self.committer.release(log)
            self.open_logs.remove(log)

    def evict(self, log: Log) -> None:
        """Close a log as soon as nothing of it is in flight."""
        log.forget = True
        self.rest(log)

    def note(self, log: Log) -> None:
        """Note up to where the disk has a log, and the keys before that, unless it is noted already."""
        if log.durable.seq > log.noted_seq and not log.deleted:
            log.noted_seq = log.durable.seq
            keying = log.keys.hand_over(log.durable.seq, is_all=log.is_all_read)
            self.notes.set_hint(log.stream, log.hint, keying)
            if self.notes.works:
                log.keys.trim()

    async def forget_notes(self, stream: str, *, checkpoints: bool) -> None:
        """Drop the notes of a stream whose records change or go, from the notes file too."""
        self.notes.drop(stream, checkpoints=checkpoints)
        await self.notes.write_out()


async def blocking(call: Callable[..., T], *args: object) -> T:
    """Run what blocks in a thread; its errors become ours."""
    try:
        return await trio.to_thread.run_sync(call, *args)
    except OSError as error:
        raise store_failed("a call to the file system failed", error) from error


def check_alive(log: Log) -> None:
    """Raises: NotFound for a deleted log, StoreFailed for one whose file cannot be trusted."""
    if log.deleted:
        raise NotFound(f"there is no stream {log.stream}: it was deleted")
    if log.failed is not None:
        raise StoreFailed(f"{log.failed} (the stream takes nothing any more)", retry=False)


def check_born(log: Log) -> None:
    """Raises: NotFound for a log that waits for its first record."""
    if not log.is_born:
        raise NotFound(f"there is no stream {log.stream}")
