"""codexctl stop: end the daemon; by default it first brings running turns to a safe point."""

from __future__ import annotations

import argparse

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import running_daemon
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, ConnectionCut, Unreachable
from codexd_frontends.client.exits import DONE, TRY_AGAIN, Exit
from codexd_frontends.client.follow import server_status
from codexd_frontends.client.process import stop_process

# The daemon bounds its draining by itself; this is longer than that.
DRAIN_SECONDS_MAX = 60.0
NOW_SECONDS_MAX = 10.0


class StillThere(CommandError):
    """The daemon has not ended yet."""

    exit = TRY_AGAIN


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Stop the daemon and wait until it is gone."""
    try:
        with Daemon.connect(console.socket_path) as daemon:
            pid: int | None = server_status(daemon).pid
    except (Unreachable, ConnectionCut) as error:
        pid = running_daemon(console.socket_path)
        if pid is None and isinstance(error, ConnectionCut):
            raise
    if pid is None:
        _report(None, console)
        return DONE
    seconds = NOW_SECONDS_MAX if arguments.now else DRAIN_SECONDS_MAX
    if not stop_process(pid, seconds=seconds, at_once=arguments.now):
        raise StillThere(
            f"process {pid} has not ended within {seconds:g} s; `codexctl stop --now` does not "
            f"wait for running turns"
        )
    _report(pid, console)
    return DONE


def _report(pid: int | None, console: Console) -> None:
    said = "no daemon was running" if pid is None else f"stopped process {pid}"
    console.result({"running": False, "stopped": pid}, said)
