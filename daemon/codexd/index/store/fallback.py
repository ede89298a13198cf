"""A place for an index whose own cannot be used, with a full disk, say: gone with the daemon. Touches the disk.

Law: whoever uses such a folder holds a lock on it. One that nobody holds is what a killed daemon left, of whatever
home, and the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "codexd-index-"


class Elsewhere:
    """At most one folder, held until it is left; `root` is where they are made, the system's place if None."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._folder: Path | None = None
        self._fd = -1

    def take(self) -> Path:
        """A new folder, and only ours. Raises: OSError, where there is none to be had."""
        from tempfile import mkdtemp

        self.leave()
        while self._folder is None:
            folder = Path(mkdtemp(prefix=_PREFIX, dir=self._root))
            fd = _locked(folder)
            # Somebody who starts just now may have found it without its lock.
            if fd is not None:
                self._folder, self._fd = folder, fd
        return self._folder

    def leave(self) -> None:
        """Remove it, if there is one."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._fd)
            self._folder, self._fd = None, -1

    def remove_left_behind(self) -> None:
        """Remove what daemons left that were killed."""
        from tempfile import gettempdir

        for folder in (self._root or Path(gettempdir())).glob(f"{_PREFIX}*"):
            with suppress(OSError):
                fd = _locked(folder) if folder.lstat().st_uid == os.getuid() else None
                if fd is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(fd)


def _locked(folder: Path) -> int | None:
    """The folder, open and with its lock; None where somebody else has that or removed it."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            return fd
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None
