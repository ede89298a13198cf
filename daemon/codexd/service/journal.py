"""Writes the daemon's log to systemd's journal, with fields. I/O.

An entry has its text, its priority, where it comes from, and the thread that it is about, so that
`journalctl --user THREAD_ID=…` shows what concerns a thread.

Sources: systemd.exec(5) on JOURNAL_STREAM, systemd.journal-fields(7), and systemd's JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SOCKET: Final = Path("/run/systemd/journal/socket")
IDENTIFIER: Final = "codexd"
# By syslog(3), the highest level first.
_PRIORITIES: Final = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG: Final = 7
_THREAD: Final = re.compile(
    r"\bthread ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b"
)


def is_journal(fd: int, stream: str) -> bool:
    """Whether a descriptor leads to the journal; `stream` is $JOURNAL_STREAM, the device and inode of what does."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each entry as a datagram; one that the journal does not take goes to stderr, which it reads too."""

    def __init__(self, path: Path = SOCKET) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """Send an entry; its text is what the formatter made of it."""
        text = self.format(record)
        try:
            self._socket.sendto(datagram(_fields(record, text)), os.fspath(self._path))
        except OSError:  # It restarts, or its queue is full.
            # Each line has its priority (sd-daemon(3)).
            lines = "".join(
                f"<{_priority(record.levelno)}>{line}\n" for line in text.splitlines() or [""]
            )
            sys.stderr.write(lines)
            sys.stderr.flush()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def _fields(record: logging.LogRecord, text: str) -> Mapping[str, str]:
    fields = {
        "MESSAGE": text,
        "PRIORITY": str(_priority(record.levelno)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
    }
    about = _THREAD.search(text)
    return fields if about is None else fields | {"THREAD_ID": about[1]}


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG)


def datagram(fields: Mapping[str, str]) -> bytes:
    """Fields in the journal's native form: a value of several lines has its length before it."""
    parts = []
    for name, value in fields.items():
        content = value.encode(errors="replace")
        if b"\n" in content:
            parts.append(b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(content)), content))
        else:
            parts.append(b"%s=%s\n" % (name.encode(), content))
    return b"".join(parts)
