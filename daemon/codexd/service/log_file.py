"""The daemon's log in a file of bounded size: full files are kept under numbers, a bounded count of them. I/O.

The file is the process's stderr as well, so that what is not a log entry, for example a crash of the interpreter, is
in it.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from codexd.machine.owners import make_own_folder, open_own

# An entry has a hundred bytes, and a quiet daemon writes some hundred entries a day.
FILE_BYTES_MAX: Final = 4 << 20
# `codexd.log.1` is the newest of them. With the file itself: 20 MiB at most.
KEPT_MAX: Final = 4


class LogFile(logging.Handler):
    """Appends entries to a file of mode 0600."""

    def __init__(self, path: Path, *, bytes_max: int = FILE_BYTES_MAX) -> None:
        """Raises: NotOurs, OSError."""
        super().__init__()
        self._path, self._bytes_max = path, bytes_max
        make_own_folder(path.parent)
        self._fd = -1
        self.reopen()

    def reopen(self) -> None:
        """Open the file again, which another program may have moved away. Raises: NotOurs, OSError."""
        fd = open_own(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        left, self._fd = self._fd, fd
        self._size = os.fstat(fd).st_size
        for stream in (1, 2):
            os.dup2(fd, stream)
        if left >= 0:
            os.close(left)

    def emit(self, record: logging.LogRecord) -> None:
        """Append an entry. A disk that takes none loses it: nothing else may stop for that."""
        content = f"{self.format(record)}\n".encode(errors="replace")
        if self._size and self._size + len(content) > self._bytes_max:
            with suppress(Exception):
                self._rotate()
        with suppress(OSError):
            self._size += os.write(self._fd, content)

    def close(self) -> None:
        """Close the file; stderr stays it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()

    def _rotate(self) -> None:
        sys.stderr.flush()
        for number in range(KEPT_MAX - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
        os.replace(self._path, f"{self._path}.1")
        self.reopen()
