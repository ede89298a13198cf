"""Ends what a daemon that died left running."""

from __future__ import annotations

import signal

from codexd.tools.process_session import leads_group, signal_session, start_time


def kill_leftover(pid: int, started: str) -> bool:
    """Kill a command and all of its session, if it is still the one that `tool.started` names.

    A pid alone proves nothing after a restart: by now it may be a stranger's. So the start time must be
    known and be the same. Says whether anything was killed. Whoever inherited it reaps it.
    """
    if not started or start_time(pid) != started or not leads_group(pid):
        return False
    signal_session(pid, signal.SIGKILL)
    return True
