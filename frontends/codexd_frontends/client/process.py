"""Finding the process of a daemon, ending it and seeing it end. I/O."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time
from pathlib import Path

from codexd.machine.foreign_files import open_file

POLL_SECONDS = 0.02
# A process's number, and the word after it.
LOCK_BYTES_MAX = 200


def lock_holder(path: Path) -> int | None:
    """The process that holds the lock of a store; None if none does, or if it cannot be found out.

    The holder has written its number into the file. A number that a later process got after the holder's death is
    not taken: then the lock is free.
    """
    try:
        with open_file(path, follow=False) as file:
            word = file.read(LOCK_BYTES_MAX).split(maxsplit=1)[:1]
            pid = int(word[0]) if word else 0
            if pid <= 0 or _is_gone(pid):
                return None  # Without a try to lock it: a daemon that starts just now could be refused.
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return pid
    except (OSError, ValueError):
        return None
    return None


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def stop_process(pid: int, *, seconds: float) -> bool:
    """Send SIGTERM and wait; False if it is still there after `seconds`."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    return wait_gone(pid, seconds)


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait until a process has ended; False if it has not after `seconds`."""
    if sys.platform == "linux":
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            # Readable as soon as it has ended, also before it is reaped.
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)
    return _wait_gone_polling(pid, seconds)


def _wait_gone_polling(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _is_gone(pid):
            return True
        time.sleep(POLL_SECONDS)
    return False
