"""Where an export may be written: to a new name, or over a plain file, and never into codexd's own folders. I/O.

The law: for any path, through any links, no file of codexd's is replaced, and nothing is
added to what it reads back: config, lock, index, logs, blobs, drafts, sockets.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path


class NoTarget(Exception):
    """An export to this path is refused; the message says what was found."""


class ExportTarget:
    """A path that an export may take. Raises: NoTarget; OSError: it cannot be looked at."""

    def __init__(
        self, path: Path, own_folders: Sequence[Path], beside: str, *, force: bool
    ) -> None:
        # The folder may be asked for through links; what counts is where they lead.
        folder = Path(os.path.realpath(path.parent))
        self.path, self.new = folder / path.name, folder / beside
        self._own_folders, self._force = own_folders, force
        self.check()

    def check(self) -> None:
        """Look at what lies there. Raises: NoTarget, OSError."""
        if not self.path.name or self.path.name == "..":
            raise _refused(self.path, "a folder")
        if not self.path.parent.is_dir():
            raise _refused(self.path, "no folder to put it into")
        if _is_within(self.path.parent, self._own_folders):
            raise _refused(self.path, "a place in codexd's own folders")
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISREG(found.st_mode):
            raise _refused(self.path, _kind(found.st_mode))
        if not self._force:
            raise _refused(self.path, "a file that is there already")
        # A file may have other hard links, unless one is in our folders.
        if found.st_nlink > 1 and _has_a_name_in(found, self._own_folders):
            raise _refused(self.path, "a file of codexd's own, by a second name")

    def take(self) -> int:
        """Check again, then rename the file that was written beside it; returns its size."""
        self.check()
        os.replace(self.new, self.path)
        return self.path.lstat().st_size


def _refused(path: Path, found: str) -> NoTarget:
    return NoTarget(
        f"{path}: expected a new name, or with force a plain file, found {found}: nothing was exported"
    )


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a link" if stat.S_ISLNK(mode) else "a socket, a pipe or a device"


def _is_within(folder: Path, own_folders: Sequence[Path]) -> bool:
    """Whether a folder is one of ours or below, under any name or mount."""
    own = {
        (found.st_dev, found.st_ino)
        for our_folder in own_folders
        if (found := _stat(our_folder)) is not None
    }
    above = (_stat(parent) for parent in (folder, *folder.parents))
    return any((found.st_dev, found.st_ino) in own for found in above if found is not None)


def _has_a_name_in(file: os.stat_result, own_folders: Sequence[Path]) -> bool:
    for own in own_folders:
        for folder, _, names in os.walk(own):
            for name in names:
                found = _stat(Path(folder, name))
                if found is not None and os.path.samestat(found, file):
                    return True
    return False


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
