"""codexctl service logs, where the log is a file: also across the change to a new file. I/O."""

from __future__ import annotations

import collections
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from codexd.machine.foreign_files import open_file
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.watch import CtrlC, Interrupts, Watch
from codexd_frontends.client.errors import CommandError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line

# A line of the log is bounded by its writer; what is longer is no line of the log.
LINE_BYTES_MAX = 64 << 10
FOLLOW_PAUSE_SECONDS = 0.25


def show_log(
    path: Path, lines: int, console: Console, *, follow: bool, only: str | None = None
) -> Exit:
    """Print the last lines, also those of the file before, and what is added if asked to."""
    last = collections.deque[str](maxlen=lines)
    for older in (path.with_name(f"{path.name}.1"), path):
        file = _opened(older)
        if file is not None:
            with file:
                last.extend(line for line in _lines(file) if only is None or only in line)
                end, inode = file.tell(), os.fstat(file.fileno()).st_ino
    if file is None and not last:
        raise CommandError(f"expected the daemon's log at {path}, found none")
    for line in last:
        console.answer(line)
    if follow:
        _follow(path, end, inode, console, only)
    return DONE


def _follow(path: Path, end: int, inode: int, console: Console, only: str | None) -> None:
    with Interrupts() as interrupts:
        watch = Watch(interrupts)
        while not isinstance(watch.next(None, listen=False, seconds=FOLLOW_PAUSE_SECONDS), CtrlC):
            file = _opened(path)
            if file is None:
                continue
            with file:
                found = os.fstat(file.fileno())
                if found.st_ino != inode or found.st_size < end:
                    end, inode = 0, found.st_ino
                file.seek(end)
                for line in _lines(file):
                    if only is None or only in line:
                        console.answer(line)
                end = file.tell()


def _opened(path: Path) -> BinaryIO | None:
    try:
        return io.BufferedReader(open_file(path, follow=False))
    except OSError:
        return None


def _lines(file: BinaryIO) -> Iterator[str]:
    """The whole lines from here on; the rest of one that is being written stays unread."""
    while True:
        at = file.tell()
        line = file.readline(LINE_BYTES_MAX)
        if not line.endswith(b"\n") and len(line) < LINE_BYTES_MAX:
            file.seek(at)
            return
        text = line.decode(errors="replace").rstrip("\n")
        # Tracebacks are indented.
        yield text if text.isprintable() else one_line(text, LINE_BYTES_MAX)
