"""Rewriting a log: a whole new file beside the old one, which takes its name in one step.

Law: after a crash at any point a log is either the old or the new log. Numbers never change, so followers continue
at their positions; a fork's link holds, because the new file's preface names the checksums at the fork points.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import Layout, unlink_if_there
from codexd_eventstore.format.lines import crc_of, rechained, with_data
from codexd_eventstore.format.preface import Preface, preface_line
from codexd_eventstore.format.seals import Writers
from codexd_eventstore.log.log import Log
from codexd_eventstore.log.walk import Walk, crcs_at
from codexd_eventstore.operations.engine import Engine, blocking, check_alive, check_born
from codexd_eventstore.operations.sweep import blobs_named
from codexd_eventstore.store import Record, Rewritten

# What is written at a time: bounds what is held of a log that may be long.
WRITE_BYTES: Final = 1024 * 1024


@asynccontextmanager
async def standstill(engine: Engine, stream: str) -> AsyncIterator[Log]:
    """Hold a stream still: all of it is on disk, its file is closed, and other tasks wait for it.

    After this, the next task that needs the stream opens it again.
    """
    async with engine.forks.frozen(stream), engine.open_logs.gate(stream):
        log = await engine.open_logs.open_gated(stream)
        check_born(log)
        check_alive(log)
        # From here on appends, readers and followers look it up again, and wait at the gate.
        engine.open_logs.remove(log)
        try:
            await engine.committer.settle(log)
        except BaseException:
            engine.open_logs.put_back(log)
            raise
        engine.committer.release(log)
        yield log


async def scrub(
    engine: Engine, stream: str, edit: Callable[[Record], bytes | None], *, at_us: int
) -> Rewritten:
    """Rewrite its own records where `edit` returns other data than the record has."""
    async with standstill(engine, stream) as log:
        named = await blocking(blobs_named, engine, log.path)
        try:
            rewritten = await blocking(_scrub, engine, log, edit, at_us)
            engine.blob_files.release(named - await blocking(blobs_named, engine, log.path))
            return rewritten
        finally:
            # Also where it failed: the new log may be there all the same.
            await engine.forget_notes(stream, checkpoints=False)
            engine.hub.tell(stream)


def _scrub(
    engine: Engine, log: Log, edit: Callable[[Record], bytes | None], at_us: int
) -> Rewritten:
    old = log.start.preface
    cuts = cuts_of(engine, log.path, log.stream, log.start.base)
    preface = Preface(old.generation + 1, old.root, cuts, "scrub")
    edits = _Edits(
        Walk(engine.fs, log.path, log.stream, log.version), edit, engine.writers(log.stream)
    )
    successor = Successor(engine.fs, engine.layout, log.stream)
    successor.write(preface_line(log.stream, preface, at_us), edits.lines())
    if edits.changed:
        successor.take_place(log.path)
    else:
        successor.discard()
    removed = tuple(engine.layout.remove_kept(log.stream))
    generation = preface.generation if edits.changed else old.generation
    records = log.version - log.base
    return Rewritten(log.stream, generation, records, edits.changed, removed=removed)


class _Edits:
    """The lines of a log after the edits, with new checksums from the first line that differs."""

    def __init__(
        self, walk: Walk, edit: Callable[[Record], bytes | None], writers: Writers | None
    ) -> None:
        self._walk = walk
        self._edit = edit
        self._writers = writers
        self.changed = 0

    def lines(self) -> Iterator[bytes]:
        chain: int | None = None
        for records in self._walk.pieces():
            for record in records:
                if chain is None:
                    chain = self._walk.start.chain(self._walk.stream)
                line = self._edited(record, chain)
                chain = crc_of(line)
                yield line

    def _edited(self, record: Record, chain: int) -> bytes:
        data = self._edit(record)
        if data is not None:
            seal = None if self._writers is None else self._writers.at(record.seq)
            line = with_data(record, data, chain, seal)
            if line != rechained(record.line, chain):
                self.changed += 1
                return line
        return rechained(record.line, chain)


class Successor:
    """A new generation of a log, while it is being written. All methods block."""

    def __init__(self, fs: FileSystem, layout: Layout, stream: str) -> None:
        self._fs = fs
        self._layout = layout
        self._path = layout.successor(stream)

    def write(self, preface: bytes, lines: Iterable[bytes]) -> None:
        """Write and sync all of it; nothing of it is left where that fails."""
        self._layout.prepare(self._layout.rewriting)
        unlink_if_there(self._fs, self._path)
        fd = self._fs.create(self._path)
        try:
            held, size = [preface], len(preface)
            for line in lines:
                held.append(line)
                size += len(line)
                if size >= WRITE_BYTES:
                    self._fs.write(fd, b"\n".join([*held, b""]))
                    held, size = [], 0
            self._fs.write(fd, b"\n".join([*held, b""]))
            self._fs.sync(fd)
        except BaseException:
            with suppress(OSError):
                self.discard()
            raise
        finally:
            self._fs.close(fd)

    def take_place(self, path: str) -> None:
        """Be the log from here on."""
        try:
            self._fs.rename(self._path, path)
        except OSError:
            with suppress(OSError):
                self.discard()
            raise
        self._fs.sync_folder(path.rpartition("/")[0])
        self._fs.sync_folder(self._layout.rewriting)

    def discard(self) -> None:
        """Leave the log what it is."""
        unlink_if_there(self._fs, self._path)


Cuts = dict[int, tuple[str, ...]]


def cuts_of(engine: Engine, path: str, stream: str, base: int) -> Cuts:
    """The cuts that a new generation must name: the old cuts, and later fork points of descendants. Blocks."""
    leaving = [(seq, crc) for seq, crc in engine.forks.leaving(stream) if seq > base]
    start, present = crcs_at(engine.fs, path, stream, frozenset(seq for seq, _ in leaving))
    cuts = {seq: start.cuts_at(seq) for seq in start.preface.cuts}
    for seq, crc in leaving:
        if present.get(seq) == crc:
            cuts.setdefault(seq, set()).add(crc)
    return merged(cuts)


def merged(cuts: Mapping[int, set[int]]) -> Cuts:
    """The same as a preface has them."""
    return {seq: tuple(sorted(f"{crc:08x}" for crc in cuts[seq])) for seq in sorted(cuts)}
