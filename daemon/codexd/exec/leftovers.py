"""Finds and ends what a daemon that died left running.

Every command has a mark (`keeper/marks.py`), and its children inherit the mark. So leftovers are found also
where the daemon died before it had recorded a pid, and where the command itself has ended and only its
background processes go on. On macOS a process that removes the mark from its environment, as `env -i` does,
is found by its session, as long as another process in that session has the mark.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import time
from typing import Final

from codexd.keeper import marks
from codexd.keeper.session import leads_group, signal_session, start_time
from codexd.keeper.tree import marked

# The variable, and how long the part of its value is that names the home.
COMMAND_MARK: Final = marks.VARIABLE.decode()
_HOME_DIGITS: Final = 16
# What is left may fork while it is looked for, so it is looked for until nothing is found.
_ROUNDS_MAX: Final = 50
_ROUND_SECONDS: Final = 0.01


def kill_leftover(pid: int, started: str) -> bool:
    """Kill a command and all of its session, if it is still the process that `tool.started` names.

    A pid alone proves nothing after a restart: it may have been reused. So the start time must be known and
    be the same. Returns whether anything was killed. The process's new parent reaps it.
    """
    if not started or start_time(pid) != started or not leads_group(pid):
        return False
    signal_session(pid, signal.SIGKILL)
    return True


def home_mark(home: str) -> str:
    """The name of a home in the mark of its commands."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()
    return digest[:_HOME_DIGITS]


def end_marked(home: str) -> frozenset[int]:
    """End all that carries the mark of a home, given as `home_mark` names it; those that were found. Blocks.

    The caller is spared, though a command may have started it.
    """
    found: set[int] = set()
    for _ in range(_ROUNDS_MAX):
        some = [pid for pid in marked(marks.of_home(home.encode())) if pid != os.getpid()]
        if not some:
            break
        found.update(some)
        for pid in some:
            _end(pid)
        time.sleep(_ROUND_SECONDS)
    return frozenset(found)


def _end(pid: int) -> None:
    with contextlib.suppress(OSError):
        session = os.getsid(pid)
        if session != os.getsid(0):
            signal_session(session, signal.SIGKILL)
    with contextlib.suppress(OSError):  # gone meanwhile
        os.kill(pid, signal.SIGKILL)
