"""Keeps other processes of the same user from reading the daemon's memory and environment.

The commands that the daemon runs are processes of its own user, and its environment holds the keys of
providers. On Linux /proc shows both to that user. On other systems only core dumps are turned off.

Sources: proc_pid_environ(5), prctl(2) PR_SET_DUMPABLE, proc_pid_stat(5), getrlimit(2).
"""

from __future__ import annotations

import logging
import os
import resource
import sys
from collections.abc import Iterator
from typing import Final

from codexd.machine.python_child import plain_environment

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE: Final = 4
# Fields of proc_pid_stat(5), counted from the third on: the address range of the initial environment.
_ENV_START, _ENV_END = 50 - 3, 51 - 3


def keep_memory_private() -> None:
    """Turn off core dumps, and keep processes of the same user from reading memory, environment and open files.

    Call it once, before any command runs and before there is a second thread. A process that may trace every
    process (usually root) can still read the memory, but finds no key in /proc/PID/environ.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    # Only the soft limit: a command that wants a core dump uses `ulimit -c`, as on most systems.
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform != "linux":
        return
    import ctypes  # a millisecond, on this system alone

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning(
            "other processes of this user can read the daemon's memory: prctl(PR_SET_DUMPABLE) failed (%s)",
            os.strerror(ctypes.get_errno()),
        )
    bounds = _first_environment()
    if bounds is None:
        return
    for name, value in os.environb.items():
        os.putenv(name, value)  # a copy elsewhere, for the C libraries that look there
    start, end = bounds
    ctypes.memset(start, 0, end - start)
    # Variables that are no secrets stay visible, so that a person can see which home a daemon serves.
    plain = b"".join(b"%s=%s\0" % (name, value) for name, value in _plain())
    ctypes.memmove(start, plain, min(len(plain), end - start))


def _plain() -> Iterator[tuple[bytes, bytes]]:
    names = plain_environment()
    return ((name, value) for name, value in os.environb.items() if os.fsdecode(name) in names)


def _first_environment() -> tuple[int, int] | None:
    """The address range of the environment that /proc/self/environ shows; None if it is unknown."""
    try:
        with open("/proc/self/stat", "rb", buffering=0) as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) <= _ENV_END:
        return None
    start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    return (start, end) if 0 < start < end else None
