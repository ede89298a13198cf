"""Packing a stream into one file for another store: the bytes of the logs, not interpreted.

Law: a package has only the records of an ancestor that the fork shares, so the ancestor's later records are not
packed. (For a fork before its parent's own records, the parent's first append is packed too: it says where the
parent was forked.) The file is there under its name only when it is whole.
"""

from __future__ import annotations

import io
import re
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from codexd_eventstore.disk.files import FILE_MODE, reading
from codexd_eventstore.disk.layout import absolute, unlink_if_there
from codexd_eventstore.disk.package import FORMAT, MANIFEST, Inlet, Outlet, blob_name, log_name
from codexd_eventstore.format.lines import crc_of, marks_of
from codexd_eventstore.log.scan import damaged
from codexd_eventstore.log.walk import Walk
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.operations.rewrite import WRITE_BYTES
from codexd_eventstore.store import BlobRef, NotFound, Package, PackedLog, Refused

if TYPE_CHECKING:
    import tarfile

# As a blob is named in an event: neither part of a longer number nor of a text of hex digits.
_BLOB_NAME: Final = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


async def pack(engine: Engine, stream: str, path: str) -> Package:
    """Write a stream with what it inherited and the blobs that they name. Raises: Refused, Damaged."""
    log = await engine.open_logs.open(stream)
    if log.failed is None:  # what a disk failed is packed as far as it reads
        await engine.committer.settle(log)
    lineage = [name for name, _ in log.lineage]
    return await blocking(_Packing(engine).run, [*lineage, stream], log.version, absolute(path))


class _Packing:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._fs = engine.fs
        self._blobs: dict[str, BlobRef] = {}
        self._files: list[tuple[PackedLog, int]] = []  # each with its open file

    def run(self, lineage: list[str], version: int, path: str) -> Package:
        """All of it, in a thread."""
        if self._fs.state(path) is not None:
            raise Refused(f"{path} is there already: nothing was packed")
        with ExitStack() as stack:
            last = version
            for stream in reversed(lineage):
                found, _, archived = self._engine.open_logs.find(stream)
                # An open file stays the same, even if its name changes meanwhile.
                fd = stack.enter_context(reading(self._fs, found))
                log = self._measured(stream, found, fd, last, archived)
                self._files.insert(0, (log, fd))
                last = log.parent_seq
            logs = tuple(log for log, _ in self._files)
            blobs = tuple(self._blobs[name] for name in sorted(self._blobs))
            package = Package(FORMAT, lineage[-1], logs, blobs)
            self._write(package, path)
        return package

    def _measured(self, stream: str, path: str, fd: int, last: int, archived: bool) -> PackedLog:
        """How much of a log belongs into the package, and which blobs it names."""
        walk = Walk(self._fs, path, stream, fd=fd)
        size = 0
        for record in walk.records():
            size += len(record.line) + 1
            self._note_blobs(record.line)
            if record.seq >= last and not marks_of(record).more:
                break
        else:
            raise damaged(stream, path, last, "it is needed and cannot be read")
        start = walk.start
        return PackedLog(
            stream,
            record.seq,
            f"{crc_of(record.line):08x}",
            start.size + size,
            archived,
            start.preface.generation,
            None if start.origin is None else start.origin.stream,
            start.base,
        )

    def _note_blobs(self, line: bytes) -> None:
        for found in _BLOB_NAME.finditer(line):
            name = found[0].decode()
            if name not in self._blobs:
                with suppress(NotFound):
                    self._blobs[name] = BlobRef(name, self._engine.blob_files.size(name))

    def _write(self, package: Package, path: str) -> None:
        fs, beside = self._fs, f"{path}.new"
        unlink_if_there(fs, beside)
        fd = fs.create(beside)
        try:
            import tarfile  # seldom needed, and as long to import as ten files of ours

            with tarfile.open(
                fileobj=Outlet(fs, fd), mode="w|", bufsize=WRITE_BYTES, format=tarfile.PAX_FORMAT
            ) as tar:
                self._fill(tar, package)
            fs.sync(fd)
            fs.rename(beside, path)
        except BaseException:
            with suppress(OSError):
                unlink_if_there(fs, beside)
            raise
        finally:
            fs.close(fd)
        fs.sync_folder(path.rpartition("/")[0] or "/")

    def _fill(self, tar: tarfile.TarFile, package: Package) -> None:
        manifest = msgspec.json.format(msgspec.json.encode(package), indent=1) + b"\n"
        tar.addfile(_member(MANIFEST, len(manifest)), io.BytesIO(manifest))
        for log, fd in self._files:
            member = _member(log_name(log.stream), log.size_bytes)
            tar.addfile(member, Inlet(self._fs, fd, 0, log.size_bytes))
        for blob in package.blobs:
            with reading(self._fs, self._engine.blob_files.path(blob.sha256)) as fd:
                inlet = Inlet(self._fs, fd, 0, blob.size_bytes)
                tar.addfile(_member(blob_name(blob.sha256), blob.size_bytes), inlet)


def _member(name: str, size: int) -> tarfile.TarInfo:
    import tarfile  # seldom needed, and as long to import as ten files of ours

    member = tarfile.TarInfo(name)
    member.size, member.mode = size, FILE_MODE
    return member
