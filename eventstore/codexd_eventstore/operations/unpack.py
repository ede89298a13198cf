"""Unpacking: a package is checked whole before any of it can be seen.

Law: no log of the store is changed, except that a log which is a prefix of the package's log is extended. Blobs
first, then logs, the oldest ancestor first: what is named is always there.

A stream that is here already must be the same. The checksums are chained, so this is checked by the checksum of
the last record of the shorter log (a scrubbed log also knows its earlier checksums). Otherwise nothing is unpacked.
Ancestors that were not here are archived: they were not asked for themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from codexd_eventstore.disk.blobs import PIECE_BYTES
from codexd_eventstore.disk.files import reading
from codexd_eventstore.disk.layout import absolute, check_name, unlink_if_there
from codexd_eventstore.disk.package import (
    HEADER_BYTES_MAX,
    MANIFEST,
    MANIFEST_BYTES_MAX,
    Inlet,
    blob_name,
    log_name,
    manifest_of,
    members_of,
)
from codexd_eventstore.format.lines import crc_of, marks_of
from codexd_eventstore.format.preface import Start
from codexd_eventstore.log.walk import Walk, crcs_at
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.operations.rewrite import standstill
from codexd_eventstore.store import (
    RECORD_BYTES_MAX,
    Damaged,
    Package,
    PackedLog,
    Refused,
    Unpacked,
)

if TYPE_CHECKING:
    import tarfile

ADDED: Final = "added"
EXTENDED: Final = "extended"
KEPT: Final = "kept"


async def unpack(
    engine: Engine, path: str, accepts: Callable[[str], bool] | None = None
) -> Unpacked:
    """Import the logs of a package. Raises: Refused, and then nothing was imported."""
    return await _Unpacking(engine, absolute(path), accepts).run()


class _Unpacking:
    def __init__(
        self, engine: Engine, path: str, accepts: Callable[[str], bool] | None = None
    ) -> None:
        self._accepts = accepts
        self._engine = engine
        self._fs = engine.fs
        self._path = path
        self._members: dict[str, tarfile.TarInfo] = {}
        self._package = Package(0, "", ())
        self._starts: dict[str, Start] = {}
        self._fd = -1

    async def run(self) -> Unpacked:
        try:
            self._fd = await blocking(self._fs.open_of_others, self._path)
            try:
                await blocking(self._check)
                return await self._take_in()
            finally:
                self._fs.close(self._fd)
                await blocking(self._clean)
        except Damaged as error:
            raise Refused(f"{self._path}: {error}: nothing was unpacked") from error
        except Refused as error:
            raise Refused(f"{self._path}: {error}: nothing was unpacked") from error

    def _check(self) -> None:
        """Everything about the package itself; its logs lie beside those of the store afterwards."""
        inlet = Inlet(self._fs, self._fd, read_max=HEADER_BYTES_MAX)
        self._members = members_of(inlet)
        manifest = self._members.get(MANIFEST)
        if manifest is None or manifest.size > MANIFEST_BYTES_MAX:
            raise Refused(f"it has no {MANIFEST}")
        content = self._fs.read(self._fd, manifest.offset_data, manifest.size)
        self._package = manifest_of(content, self._members)
        for log in self._package.logs:
            check_name(log.stream, "stream")
            if self._accepts is not None and not self._accepts(log.stream):
                raise Refused(f"a stream {log.stream!r} in it is none that comes in a package")
        for blob in self._package.blobs:
            digest = hashlib.sha256()
            for piece in self._pieces(blob_name(blob.sha256)):
                digest.update(piece)
            if digest.hexdigest() != blob.sha256:
                raise Refused(f"blob {blob.sha256} in it has another hash")
        self._engine.layout.prepare(self._engine.layout.rewriting)
        for log in self._package.logs:
            self._stage(log)
        for log in self._package.logs:
            self._check_link(log)

    def _pieces(self, name: str) -> Iterator[bytes]:
        member = self._members[name]
        for start in range(0, member.size, PIECE_BYTES):
            size = min(PIECE_BYTES, member.size - start)
            piece = self._fs.read(self._fd, member.offset_data + start, size)
            if len(piece) < size:
                raise Refused(f"{name} in it ends too early")
            yield piece

    def _staged(self, log: PackedLog) -> str:
        return self._engine.layout.successor(f"{log.stream}.unpacked")

    def _stage(self, log: PackedLog) -> None:
        """Put a log beside those of the store, and read all of it there."""
        path = self._staged(log)
        unlink_if_there(self._fs, path)
        fd = self._fs.create(path)
        try:
            unfinished = 0  # bytes of the line that is not whole yet
            for piece in self._pieces(log_name(log.stream)):
                newline = piece.rfind(b"\n")
                unfinished = unfinished + len(piece) if newline < 0 else len(piece) - newline - 1
                if unfinished > RECORD_BYTES_MAX:  # A hole in a file is as long as one likes.
                    raise Refused(f"the log of {log.stream} in it has a line that no record has")
                self._fs.write(fd, piece)
            self._fs.sync(fd)
        finally:
            self._fs.close(fd)
        walk = Walk(self._fs, path, log.stream)
        size, record = 0, None
        for record in walk.records():
            size += len(record.line) + 1
        whole = (
            record is not None
            and not marks_of(record).more
            and walk.start.size + size == log.size_bytes
            and (record.seq, f"{crc_of(record.line):08x}") == (log.version, log.crc)
        )
        if not whole:
            raise Refused(f"the log of {log.stream} in it does not read back as it was written")
        self._starts[log.stream] = walk.start

    def _check_link(self, log: PackedLog) -> None:
        """Check that the package has the parent of a fork, as it was at the fork."""
        seen: set[str] = set()
        origin = self._starts[log.stream].origin
        packed = {packed_log.stream: packed_log for packed_log in self._package.logs}
        stream, seq = log.stream, 0 if origin is None else origin.seq
        known: set[int] = set()
        while seq and origin is not None and stream not in seen:
            seen.add(stream)
            stream = origin.stream
            if stream not in packed:
                raise Refused(f"{log.stream} in it was forked from {stream}, which is not in it")
            start = self._starts[stream]
            if seq > start.base:
                _, found = crcs_at(self._fs, self._staged(packed[stream]), stream, frozenset({seq}))
                known |= set(found.values()) | start.cuts_at(seq)
                break
            origin = start.origin
            if origin is not None and seq == start.base:
                known.add(origin.chain)
        link = self._starts[log.stream].origin
        if link is not None and link.seq and link.chain not in known:
            raise Refused(f"{log.stream} in it does not follow on {link.stream} in it")

    async def _take_in(self) -> Unpacked:
        """Blobs, then logs; every stream is held still until all are there."""
        done: dict[str, list[str]] = {ADDED: [], EXTENDED: [], KEPT: []}
        version = 0
        async with AsyncExitStack() as stack:
            fates = [await self._hold(stack, log) for log in self._package.logs]
            put = await blocking(self._put_blobs)
            for log, (fate, path, here) in zip(self._package.logs, fates, strict=True):
                if fate != KEPT:
                    await blocking(self._place, log, path)
                    self._engine.hub.tell(log.stream)
                done[fate].append(log.stream)
                version = max(here, log.version)
        return Unpacked(
            self._package.stream,
            version,
            tuple(done[ADDED]),
            tuple(done[EXTENDED]),
            tuple(done[KEPT]),
            put,
        )

    async def _hold(self, stack: AsyncExitStack, log: PackedLog) -> tuple[str, str, int]:
        """Lock a stream; returns what to do with it, its path, and its version here."""
        engine = self._engine
        if engine.open_logs.is_there(log.stream):
            held = await stack.enter_async_context(standstill(engine, log.stream))
            fate = await blocking(self._fate, log, held.path, held.version)
            return fate, held.path, held.version
        await stack.enter_async_context(engine.forks.frozen(log.stream))
        await stack.enter_async_context(engine.open_logs.gate(log.stream))
        if engine.open_logs.get(log.stream) is not None or engine.open_logs.is_there(log.stream):
            raise Refused(f"a stream {log.stream} was made here meanwhile")
        into_archive = log.archived or log.stream != self._package.stream
        layout = engine.layout
        path = layout.archived_log(log.stream) if into_archive else layout.log(log.stream)
        return ADDED, path, 0

    def _fate(self, log: PackedLog, path: str, version: int) -> str:
        """Whether a stream that is here is the same, and which copy has more."""
        common = min(log.version, version)
        here, ours = crcs_at(self._fs, path, log.stream, frozenset({common}))
        there, theirs = crcs_at(self._fs, self._staged(log), log.stream, frozenset({common}))
        ours_known = set(ours.values()) | here.cuts_at(common)
        if ours and theirs and theirs[common] in ours_known:
            if log.version <= version:
                return KEPT
            # Text that was scrubbed here must not return from a package.
            if (
                theirs[common] == ours[common]
                and there.preface == here.preface
                and self._begins_with(log, path)
            ):
                return EXTENDED
        raise Refused(
            f"stream {log.stream} is here already with {version} records, and its {log.version} in"
            f" the package are others (or were rewritten) by record {common}"
        )

    def _begins_with(self, log: PackedLog, path: str) -> bool:
        """Whether a log of the package begins with all bytes of the store's log.

        Checksums do not prove it: other records with the same checksum can be made on purpose.
        """
        place = 0
        with reading(self._fs, path) as here:
            for piece in self._pieces(log_name(log.stream)):
                own = self._fs.read(here, place, len(piece))
                if piece[: len(own)] != own:
                    return False
                if len(own) < len(piece):
                    return True
                place += len(own)
            return not self._fs.read(here, place, 1)

    def _put_blobs(self) -> int:
        """Those that are not here; how many those were."""
        put = 0
        for blob in self._package.blobs:
            name = blob_name(blob.sha256)
            put += self._fs.state(self._engine.blob_files.path(blob.sha256)) is None
            stored = self._engine.blob_files.put_pieces(partial(self._pieces, name))
            if stored.sha256 != blob.sha256:
                raise Refused(f"{self._path} changed while it was read")
        return put

    def _place(self, log: PackedLog, path: str) -> None:
        """Let a log be seen."""
        folder = path.rpartition("/")[0]
        self._engine.layout.prepare(folder)
        self._fs.rename(self._staged(log), path)
        self._fs.sync_folder(folder)
        self._fs.sync_folder(self._engine.layout.rewriting)
        origin = self._starts[log.stream].origin
        if origin is not None:
            self._engine.forks.add(log.stream, origin)

    def _clean(self) -> None:
        for log in self._package.logs:
            unlink_if_there(self._fs, self._staged(log))
