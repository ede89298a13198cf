"""codexctl stop: end the daemon and the commands of all threads, which would go on without it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import running_daemon, running_keeper
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, ConnectionCut, Unreachable
from codexd_frontends.client.exits import DONE, TRY_AGAIN, Exit
from codexd_frontends.client.follow import server_status
from codexd_frontends.client.process import stop_process

# The daemon takes last snapshots for two seconds at most, and commands have two to tidy up; a machine may be busy.
SECONDS_MAX = 30.0


class StillThere(CommandError):
    """The daemon has not ended yet."""

    exit = TRY_AGAIN


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Stop the daemon and wait until it is gone."""
    try:
        with Daemon.connect(console.socket_path) as daemon:
            status = server_status(daemon)
            pid: int | None = status.pid
            keeper = status.keeper or None
    except (Unreachable, ConnectionCut) as error:
        pid = running_daemon(console.socket_path)
        keeper = running_keeper(console.socket_path)
        if pid is None and isinstance(error, ConnectionCut):
            raise
    if pid is not None and not stop_process(pid, seconds=SECONDS_MAX):
        raise StillThere(f"process {pid} has not ended within {SECONDS_MAX:g} s")
    # Only now: the daemon would take the end of its commands for their own.
    if keeper is not None and arguments.now and sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)  # What it leaves is killed by its guard.
    if keeper is not None and not stop_process(keeper, seconds=SECONDS_MAX):
        raise StillThere(
            f"process {keeper}, which owns the commands, has not ended within {SECONDS_MAX:g} s"
        )
    said = "no daemon was running" if pid is None else f"stopped process {pid}"
    if pid is None and keeper is not None:
        said += f"; stopped process {keeper}, and with it what an earlier one had left running"
    console.result({"running": False, "stopped": pid}, said)
    return DONE
