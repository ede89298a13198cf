"""codexctl stop: end the daemon and the commands of all threads, which would go on without it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from codexd.machine.owners import open_own
from codexd.protocol.codexd_methods import UnfinishedThread
from codexd.protocol.display.titles import TITLE_CHARACTERS_MAX
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import home_of, running_daemon, running_keeper
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, ConnectionCut, Unreachable
from codexd_frontends.client.exits import DONE, TRY_AGAIN, Exit
from codexd_frontends.client.follow import server_status
from codexd_frontends.client.process import stop_process, wait_gone
from codexd_frontends.screen.drawn import one_line, title

# The daemon takes last snapshots for two seconds at most, and commands have two to tidy up; a machine may be busy.
SECONDS_MAX = 30.0
# A daemon with nothing to wait for is gone by then.
NOW_SECONDS = 0.2
SLOW_SECONDS = 2.0
GOES_ON = {
    "approval": "at the next start it waits for your approval as before",
    "model": "goes on at the next start: its model is asked again",
    "queued": "its prompt is sent at the next start",
    "session": "its session was ended",
    "tool": "its command was ended, and the turn goes on at the next start",
}


class StillThere(CommandError):
    """The daemon has not ended yet."""

    exit = TRY_AGAIN


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Stop the daemon and wait until it is gone."""
    unfinished: tuple[UnfinishedThread, ...] = ()
    keeper: int | None = None
    mark_stopped(console)
    try:
        with Daemon.connect(console.socket_path) as daemon:
            status = server_status(daemon)
            pid: int | None = status.pid
            keeper, unfinished = status.keeper or None, status.unfinished
    except (Unreachable, ConnectionCut) as error:
        pid = running_daemon(console.socket_path)
        if pid is None and isinstance(error, ConnectionCut):
            raise
    if pid is not None and not _stop(pid, console, now=arguments.now):
        raise StillThere(f"process {pid} has not ended within {SECONDS_MAX:g} s")
    # The daemon may have started one since it was asked.
    keeper = keeper or running_keeper(console.socket_path)
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
    members = {"running": False, "stopped": pid, "unfinished": msgspec.to_builtins(unfinished)}
    console.result(members, said, *unfinished_lines(unfinished, GOES_ON))
    return DONE


def unfinished_lines(
    threads: Sequence[UnfinishedThread], words: Mapping[str, str]
) -> Iterator[str]:
    """The threads that a daemon goes on with, and what becomes of each."""
    for thread in threads:
        name = title(thread.title, TITLE_CHARACTERS_MAX) or "(no title)"
        yield f"  {one_line(thread.thread_id)}  {name}: {words.get(thread.doing, 'goes on')}"


def mark_stopped(console: Console) -> None:
    """Have terminals that are attached not start it again."""
    home = home_of(console.socket_path)
    if home is not None and home.state_dir.is_dir():
        with contextlib.suppress(OSError):
            os.close(open_own(home.stopped_mark, os.O_WRONLY | os.O_CREAT))


def _stop(pid: int, console: Console, *, now: bool) -> bool:
    """End the daemon: a first signal lets answers of models come to their ends, a second one does not."""
    if stop_process(pid, seconds=NOW_SECONDS if now else SLOW_SECONDS):
        return True
    if not now:
        console.talk(
            "codexctl: waiting for answers of models to end; `codexctl stop --now` does not wait"
        )
        return wait_gone(pid, SECONDS_MAX)
    return stop_process(pid, seconds=SECONDS_MAX)
