"""The newest entries of the daemon's log, in memory, for reports: a service manager may keep the rest elsewhere."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from codexd.machine.log_lines import LogLines

# Codex's figure; some thirty thousand entries.
RECENT_BYTES_MAX: Final = 4 * 1024 * 1024
LAYOUT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class RecentLog(logging.Handler):
    """Keeps the newest entries."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: deque[bytes] = deque()
        self._size = 0
        self.setFormatter(LogLines(logging.Formatter(LAYOUT)))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an entry, and drop the oldest for it."""
        entry = self.format(record).encode(errors="replace") + b"\n"
        self._entries.append(entry)
        self._size += len(entry)
        while self._size > RECENT_BYTES_MAX:
            self._size -= len(self._entries.popleft())

    def content(self) -> bytes:
        """All that is kept."""
        self.acquire()
        try:
            return b"".join(self._entries)
        finally:
            self.release()


@contextmanager
def recent_log() -> Iterator[None]:
    """Keep what is logged for as long as the context lasts."""
    recent, root = RecentLog(), logging.getLogger()
    root.addHandler(recent)
    try:
        yield
    finally:
        root.removeHandler(recent)


def recent_entries() -> bytes:
    """The newest entries of this process's log; none where nobody keeps them."""
    handlers = logging.getLogger().handlers
    return b"".join(handler.content() for handler in handlers if isinstance(handler, RecentLog))
