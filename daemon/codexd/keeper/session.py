"""The processes of one session: which are in it, whether any is alive, and signals to all.

A command runs as the leader of a session of its own, so session, process group and leader have one
number. On Linux the session counts: it includes processes that moved to another process group, as the
program `timeout` and shells with job control do. Elsewhere the group counts. A process that leaves the
session on purpose (`setsid`) is not found.

The number stays taken while the leader is not reaped or a process is in the session, so a signal can't hit
another program: pids are given out in turn, and a number is reused only after all others.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_EXITING = 0x4  # of the flags, field 9 of proc_pid_stat(5): PF_EXITING of the kernel's include/linux/sched.h
_PS_SECONDS_MAX = 2  # `ps` answers in milliseconds; this ends the wait on a machine that is stuck


def session_lives(leader: int) -> bool:
    """Whether any process of it can still act; zombies don't count, and those don't that are about to be zombies."""
    if sys.platform == "linux":
        return any(map(acts, _members(leader)))
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):  # EPERM, on macOS: only zombies are left
        return False
    return True


def acts(pid: int) -> bool:
    """Whether a process will run code of its own. What a sandbox leaves takes down its namespaces for milliseconds. Linux."""
    fields = _stat_fields(pid)
    return bool(fields) and fields[0] not in ("Z", "X") and not int(fields[6]) & _EXITING


def signal_session(leader: int, number: signal.Signals) -> None:
    """Send a signal to every process of it; an empty session is no error."""
    # At once for the whole group, forks in flight included.
    _signal_quietly(os.killpg, leader, number)
    if sys.platform == "linux":
        for pid in _members(leader):
            if _number(os.getpgid, pid) != leader:
                _signal_quietly(os.kill, pid, number)


def start_time(pid: int) -> str:
    """When a process started, in the system's own format, to distinguish it from a later one; "" if unknown."""
    if sys.platform == "linux":
        fields = _stat_fields(pid)
        return fields[19] if fields else ""  # field 22 of proc_pid_stat(5), in ticks since the boot
    return ps("-o", "lstart=", "-p", str(pid)).decode(errors="replace").strip()


def ps(*arguments: str) -> bytes:
    """What `ps` says, on systems without /proc."""
    import subprocess  # a quarter of the keeper's start, and not needed on Linux

    command, nothing = ["ps", *arguments], subprocess.DEVNULL
    return subprocess.run(
        command, stdin=nothing, capture_output=True, timeout=_PS_SECONDS_MAX, check=False
    ).stdout


def session_of(pid: int) -> int | None:
    """The session that a process is in; None if it has ended."""
    return _number(os.getsid, pid)


def leads_group(pid: int) -> bool:
    """Whether a process is the leader of a process group."""
    return _number(os.getpgid, pid) == pid


def _members(leader: int) -> list[int]:
    return [
        int(name)
        for name in os.listdir("/proc")
        if name.isdigit() and _number(os.getsid, int(name)) == leader
    ]


def _number(of: Callable[[int], int], pid: int) -> int | None:
    """The number of a process's session or group."""
    try:
        return of(pid)
    except OSError:
        return None  # it has ended meanwhile


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second, the name, may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return file.read().rpartition(b")")[2].decode("ascii", "replace").split()
    except OSError:
        return []


def _signal_quietly(send: Callable[[int, int], None], target: int, number: signal.Signals) -> None:
    # Gone meanwhile, or another user's (sudo): neither is for us to end.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(target, number)
