"""Waiting for a process to end, in the way of each system; the process is left to be reaped."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import trio

# Where the system has no notification, and for the moment until it can be reaped.
_POLL_SECONDS = 0.002


async def wait_exit(process: subprocess.Popen[bytes]) -> int:
    """Sleep until the process has ended, and reap it. The code is negative for a signal, as in Popen."""
    if sys.platform == "linux":
        await _wait_pidfd(process.pid)
    elif sys.platform == "darwin":
        await _wait_kqueue(process.pid)
    while (code := process.poll()) is None:  # noqa: ASYNC110 - no task would set an event
        await trio.sleep(_POLL_SECONDS)
    return code


if sys.platform == "linux":

    async def _wait_pidfd(pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return  # a kernel before 5.3, or a filter that forbids it: the caller polls
        try:
            await trio.lowlevel.wait_readable(fd)
        finally:
            trio.lowlevel.notify_closing(fd)
            os.close(fd)


if sys.platform == "darwin":

    async def _wait_kqueue(pid: int) -> None:
        def event(flags: int) -> select.kevent:
            return select.kevent(
                pid, filter=select.KQ_FILTER_PROC, flags=flags, fflags=select.KQ_NOTE_EXIT
            )

        kqueue = trio.lowlevel.current_kqueue()
        try:
            kqueue.control([event(select.KQ_EV_ADD | select.KQ_EV_ONESHOT)], 0)
        except ProcessLookupError:
            return  # it has ended already

        def abort(_: object) -> trio.lowlevel.Abort:
            kqueue.control([event(select.KQ_EV_DELETE)], 0)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_kevent(pid, select.KQ_FILTER_PROC, abort)
