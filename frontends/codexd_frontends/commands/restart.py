"""codexctl restart: the installed version takes the daemon's place; commands and turns go on."""

from __future__ import annotations

import argparse
import time

from codexd.protocol.codexd_methods import ServerRestartResponse, ServerStatusResponse
from codexd.protocol.wire.rpc import METHOD_NOT_FOUND
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect, connect_running
from codexd_frontends.client.client import CALL_SECONDS_MAX, Daemon
from codexd_frontends.client.errors import ConnectionCut, NotListening, RequestRefused, Unreachable
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import server_status
from codexd_frontends.client.process import stop_process
from codexd_frontends.commands.stop import SECONDS_MAX, StillThere, unfinished_lines

GOES_ON = {
    "approval": "waits for your approval as before",
    "model": "goes on",
    "queued": "begins",
    "session": "its session goes on",
    "tool": "its command goes on",
}


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Restart the daemon, or start it if none runs."""
    try:
        daemon = connect_running(console.socket_path)
    except NotListening as hung:
        _end(hung.pid)
        before = None
    except Unreachable:
        before = None
    else:
        with daemon:
            before = server_status(daemon)
            console.talk(f"codexctl: restarting codexd {before.version}, process {before.pid}")
            cut = _restart(daemon, before, arguments.wait)
    console.may_start = True
    with connect(console) as daemon:
        now = server_status(daemon)
    if before is None:
        console.result(
            {"restarted": False, "pid": now.pid, "version": now.version},
            f"no daemon answered: codexd {now.version} was started as process {now.pid}",
        )
        return DONE
    members = {
        "restarted": True,
        "pid": now.pid,
        "version": now.version,
        "before": before.version,
        "cut": cut,
    }
    console.result(
        members,
        f"codexd {now.version} runs as process {now.pid}",
        *unfinished_lines(before.unfinished, GOES_ON),
    )
    return DONE


def _restart(daemon: Daemon, status: ServerStatusResponse, wait: int) -> int:
    """Have it restart; returns when it has let go of its connections, and how much was cut off."""
    try:
        answer = daemon.call(
            "server/restart",
            {"waitSeconds": wait},
            ServerRestartResponse,
            seconds=wait + CALL_SECONDS_MAX,
        )
    except RequestRefused as refused:
        if refused.code != METHOD_NOT_FOUND:
            raise
        _end(status.pid)  # One of an earlier version, which cannot.
        return 0
    deadline = time.monotonic() + SECONDS_MAX
    try:
        while (left := deadline - time.monotonic()) > 0:
            daemon.receive(left)
    except ConnectionCut:
        return answer.cut
    raise StillThere(f"process {status.pid} has not restarted within {SECONDS_MAX:g} s")


def _end(pid: int) -> None:
    if not stop_process(pid, seconds=SECONDS_MAX):
        raise StillThere(f"process {pid} has not ended within {SECONDS_MAX:g} s")
