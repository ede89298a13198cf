"""A disk of some hundred kilobytes of its own under a test's home, to be filled and freed.

    with small_disk(home.path) as disk:
        disk.fill()
        disk.free()

It is a tmpfs, which takes what fits of a write and then says ENOSPC, as a real disk does. Who may not mount
one skips the test.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Enough for a daemon's own files, its databases included, and a few turns; filled in a moment.
DISK_BYTES = 768 * 1024


class SmallDisk:
    """A mounted disk."""

    def __init__(self, path: Path) -> None:
        self._ballast = path / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Write until nothing fits any more; then give `leave` bytes back."""
        fd = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for step in (4096, 1):
                while _fits(fd, step):
                    pass
            if leave:
                os.ftruncate(fd, max(0, os.fstat(fd).st_size - leave))
        finally:
            os.close(fd)

    def free(self) -> None:
        """Give it all back."""
        self._ballast.unlink()


def _fits(fd: int, size_bytes: int) -> bool:
    try:
        os.write(fd, bytes(size_bytes))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


@contextlib.contextmanager
def small_disk(path: Path, size_bytes: int = DISK_BYTES) -> Iterator[SmallDisk]:
    """Mount one for as long as the context lasts; whatever uses it must have ended by then."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root on Linux can mount a small disk of its own")
    path.mkdir(mode=0o700, exist_ok=True)
    options = f"size={size_bytes},mode=700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
