"""Cuts off a torn tail, after copying it to a file beside the log, so that no bytes are lost."""

from __future__ import annotations

import time

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.log.scan import PIECE_BYTES, Scan


def cut_torn_tail(fs: FileSystem, path: str, scan: Scan, now_s: float) -> str:
    """Cut a file after its last whole append; returns a sentence on what was cut. Raises: OSError."""
    assert scan.tail is not None
    fd = fs.open(path)
    try:
        kept = keep_beside(fs, fd, path, "torn", now_s, start=scan.size)
        fs.truncate(fd, scan.size)
        fs.sync(fd)
    finally:
        fs.close(fd)
    folder = path.rpartition("/")[0]
    if not scan.records:
        fs.unlink(path)  # its first append never finished, so the stream does not exist
    fs.sync_folder(folder)
    return (
        f"an append after record {scan.version} never finished: its {scan.tail.size} bytes"
        f" ({scan.tail.records} whole records) were cut off and kept in {kept}"
    )


def keep_beside(
    fs: FileSystem, fd: int, path: str, why: str, now_s: float, *, start: int = 0
) -> str:
    """Copy a file from `start` on to a synced file beside it; returns the path of the copy. Raises: OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    copy, kept = create_free(fs, f"{path}.{why}-{stamp}")
    try:
        position = start
        while piece := fs.read(fd, position, PIECE_BYTES):
            fs.write(copy, piece)
            position += len(piece)
        fs.sync(copy)
    finally:
        fs.close(copy)
    fs.sync_folder(path.rpartition("/")[0])
    return kept


def create_free(fs: FileSystem, path: str) -> tuple[int, str]:
    """Create the file, with a number added if the name is taken."""
    number = 1
    name = path
    while True:
        try:
            return fs.create(name), name
        except FileExistsError:
            number += 1
            name = f"{path}-{number}"
