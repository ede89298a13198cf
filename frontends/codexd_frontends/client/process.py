"""Ending a process and seeing it end. I/O."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

POLL_SECONDS = 0.02


def stop_process(pid: int, *, seconds: float, at_once: bool = False) -> bool:
    """Send SIGTERM (`at_once`: a second one, too) and wait; False if it is still there after `seconds`."""
    try:
        os.kill(pid, signal.SIGTERM)
        if at_once:
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
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL_SECONDS)
    return False
