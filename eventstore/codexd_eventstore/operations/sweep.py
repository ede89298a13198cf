"""Removing blobs that no log names: found by reading everything that may name one.

Law: a blob is removed only when nothing names it, and no append that may still come: a blob that this process put
within `BLOB_GRACE_SECONDS`, or is putting, stays. If any file cannot be read, no blob is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from codexd_eventstore.disk.blobs import NAME_BYTES, PIECE_BYTES, names_in
from codexd_eventstore.disk.files import reading
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.store import Swept


async def sweep(engine: Engine, among: Collection[str] | None = None) -> Swept:
    """Remove those of the named blobs, or of all, that nothing names."""
    return await blocking(_sweep, engine, among)


def blobs_named(engine: Engine, path: str) -> frozenset[str]:
    """The blobs that a log names, whether or not it reads back. Blocks."""
    named = {name for piece in _pieces(engine, path) for name in names_in(piece)}
    return frozenset(name for name in named if engine.blob_files.is_there(name))


def _sweep(engine: Engine, among: Collection[str] | None) -> Swept:
    sizes = {name: size for name, size in engine.blob_files.all() if among is None or name in among}
    unnamed = set(sizes)
    read: set[str] = set()
    # Listed again until nothing is new: a log that moved away before it was read is elsewhere then.
    while unnamed and (unread := [row for row in engine.layout.naming() if row[0] not in read]):
        for key, path in unread:
            try:
                for piece in _pieces(engine, path):
                    unnamed.difference_update(names_in(piece))
            except FileNotFoundError:
                continue  # moved or removed since it was listed
            read.add(key)
    removed = [name for name in sorted(unnamed) if engine.blob_files.remove_old(name)]
    engine.blob_files.drop_unfinished()
    return Swept(len(sizes), len(removed), sum(sizes[name] for name in removed))


def _pieces(engine: Engine, path: str) -> Iterator[bytes]:
    """A file piece by piece, each with the end of the piece before: a name may lie across the seam."""
    with reading(engine.fs, path) as fd:
        position, end = 0, b""
        while piece := engine.fs.read(fd, position, PIECE_BYTES):
            position += len(piece)
            piece = end + piece
            yield piece
            end = piece[-NAME_BYTES + 1 :]
