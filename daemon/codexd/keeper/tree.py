"""The processes below the keeper: its children, what a command has started, and what carries a mark.

On Linux the keeper is a subreaper: a process whose parent ends becomes the keeper's child, so none gets lost.
Elsewhere a command's process group and the mark in the environment have to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from codexd.keeper import marks
from codexd.keeper.session import acts, ps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_STATE, _PARENT, _SESSION = 0, 1, 3  # fields of proc_pid_stat(5), counted from the third on


def become_subreaper() -> None:
    """Have the orphans below this process as its children."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """The children of this process, which has one thread. Linux."""
    try:
        return _children_of(os.getpid())
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return {pid for pid, stat in living() if int(stat[_PARENT]) == os.getpid()}


def acts_on(pid: int) -> bool:
    """Whether a process will run code of its own, or has children that may. Linux."""
    try:
        return acts(pid) or bool(_children_of(pid))
    except OSError:
        return True  # nobody knows


def _children_of(pid: int) -> set[int]:
    """Raises: OSError."""
    found: set[int] = set()
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
            found.update(map(int, file.read().split()))
    return found


def family(leader: int, mark: bytes) -> set[int]:
    """What a command has started and what still lives: its session, all below it, and what has its mark.

    Processes outside of the session are among them, which daemonized, with an empty environment too.
    """
    if sys.platform != "linux":
        return set(marked(mark))
    parents: dict[int, int] = {}
    found: set[int] = set()
    for pid, stat in living():
        parents[pid] = int(stat[_PARENT])
        if pid == leader or int(stat[_SESSION]) == leader or marks.has(pid, mark):
            found.add(pid)
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return found - {os.getpid()}


def marked(mark: bytes) -> Iterator[int]:
    """The living processes that have a mark of a command or of a home (`marks.py`); elsewhere than on Linux its variable."""
    if sys.platform == "linux":
        for name in os.listdir("/proc"):
            if name.isdigit() and marks.has(int(name), mark):
                yield int(name)
        return
    for line in ps("-axwwE", "-o", "pid=,command=").splitlines():
        pid, _, rest = line.strip().partition(b" ")
        if pid.isdigit() and b" " + mark in rest:
            yield int(pid)


def guard(keeper: int) -> None:
    """Wait for the keeper's end, and kill all that it leaves. Linux.

    The guard is the keeper's parent and a subreaper, so what the keeper leaves are the guard's children.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    is_over = False
    with contextlib.suppress(ChildProcessError):
        while True:
            is_over = os.wait()[0] == keeper or is_over
            if is_over:
                for pid in children():
                    kill(pid, signal.SIGKILL)


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, if it is there and ours."""
    # Gone meanwhile, or another user's (sudo): neither is for us to end.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def living() -> Iterator[tuple[int, list[bytes]]]:
    """All processes but zombies, with the fields of proc_pid_stat(5) from the third on. Linux."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with (
                contextlib.suppress(OSError),
                open(f"/proc/{name}/stat", "rb", buffering=0) as file,
            ):
                stat = file.read().rpartition(b")")[2].split()
                if stat[_STATE] not in (b"Z", b"X"):
                    yield int(name), stat
