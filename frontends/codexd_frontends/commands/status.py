"""codexctl status: whether the daemon runs, and how much it has to do."""

from __future__ import annotations

import argparse

import msgspec

from codexd import __version__
from codexd.protocol.codexd_methods import (
    AttachedClient,
    AttachedThread,
    ServerStatusResponse,
    Telemetry,
    ThreadTrouble,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect_running, default_socket_path
from codexd_frontends.cli.thread_ref import indexed
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, NotListening, Unreachable
from codexd_frontends.client.exits import DONE, UNREACHABLE, Exit
from codexd_frontends.client.follow import server_status
from codexd_frontends.client.session import version_advice
from codexd_frontends.screen.drawn import one_line

CLIENT_CHARACTERS_MAX = 120  # the daemon gives no more


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Say how the daemon is; that it does not run is an answer, too."""
    try:
        with connect_running(console.socket_path) as daemon:
            status = server_status(daemon)
    except Unreachable as error:
        return _unreachable(error, console)
    members = msgspec.to_builtins(status) | {"socket": status.socket or console.socket_path}
    del members["connections"]  # this connection included
    console.result({"running": True, **members}, *status_lines(status, console))
    return DONE


def status_lines(status: ServerStatusResponse, console: Console) -> list[str]:
    """The daemon, for a person."""
    threads = status.threads
    return [
        f"codexd {status.version} runs as process {status.pid}{version_advice(status.version)}",
        f"  socket   {status.socket or console.socket_path}",
        f"  home     {status.home}",
        f"  threads  {threads.total}, {threads.loaded} loaded, {threads.running} running",
        *config_lines(status),
        *sandbox_lines(status),
        *indexing_lines(status),
        *telemetry_lines(status.telemetry),
        *(line for thread in status.attached for line in attached_lines(thread)),
        *(line for trouble in status.troubles for line in trouble_lines(trouble)),
    ]


_NETWORKS = {"on": "all of it", "off": "none", "domains": "a list of domains"}


def config_lines(status: ServerStatusResponse) -> list[str]:
    """What is wrong with the configuration."""
    return [f"  config   {one_line(problem, 400)}" for problem in status.config_problems]


def sandbox_lines(status: ServerStatusResponse) -> list[str]:
    """How commands are confined, and why not better."""
    if status.sandbox is msgspec.UNSET:  # a daemon of an earlier version
        return []
    modes = [one_line(mode) for mode in status.sandbox_modes if mode != "danger-full-access"]
    lines = [
        f"  sandbox  {one_line(status.sandbox or 'none')}{': ' * bool(modes)}{', '.join(modes)}"
    ]
    lines += [f"           {one_line(reason)}" for reason in status.sandbox_missing]
    if status.network is not msgspec.UNSET:
        words = _NETWORKS.get(status.network, one_line(status.network))
        lines.append(f"  network  {words}, for commands in workspace-write")
    if "workspace-write" not in status.sandbox_modes:
        then = "are asked about and run without" if status.unsandboxed else "are refused"
        lines.append(f"           commands that cannot be confined {then}")
    return lines


def indexing_lines(status: ServerStatusResponse) -> list[str]:
    """How far lists and searches have come, where they have not everything, or why there is no index."""
    if status.unindexed is not msgspec.UNSET:
        return [
            f"  index    none, so lists are slow and searches refused: {one_line(status.unindexed)}"
        ]
    return [] if status.indexing is None else [f"  index    {indexed(status.indexing)}"]


def telemetry_lines(telemetry: Telemetry | msgspec.UnsetType) -> list[str]:
    """Where telemetry goes, and what became of it; none where it is off."""
    if telemetry is msgspec.UNSET:  # a daemon of an earlier version
        return []
    lines = []
    for to in telemetry.signals:
        counts = f"{to.sent} sent" + (f", {to.dropped} refused and lost" if to.dropped else "")
        if to.waiting:
            counts += f", {to.waiting} threads waiting"
        lines.append(f"  {one_line(to.signal):8} to {one_line(to.endpoint)}: {counts}")
        if to.problem is not None:
            lines.append(f"           not sent now: {one_line(to.problem)}")
    return lines + [f"  telemetry  {one_line(problem)}" for problem in telemetry.problems]


def attached_lines(thread: AttachedThread) -> list[str]:
    """A thread and the clients that are attached to it."""
    names = ", ".join(client_name(client) for client in thread.clients)
    return [f"  attached {one_line(thread.thread_id)}: {names}"]


def client_name(client: AttachedClient) -> str:
    """A client as others see it."""
    version = f" {one_line(client.version, CLIENT_CHARACTERS_MAX)}" if client.version else ""
    watches = ", which only watches" if client.observer else ""
    return f"{one_line(client.id, CLIENT_CHARACTERS_MAX)}{version}{watches}"


def trouble_lines(trouble: ThreadTrouble) -> list[str]:
    """A thread that waits for the disk or has stopped, for a person."""
    name = one_line(trouble.thread_id)
    if trouble.waits:
        said = f"  waiting  thread {name} waits for space on the disk, and then continues"
    else:
        said = f"  stopped  thread {name}; {one_line(trouble.mend)}"
    return [said, f"           {one_line(trouble.reason)}"]


def version_lines() -> list[str]:
    """The versions of this program and of the daemon, which is not started for this."""
    try:
        with Daemon.connect(default_socket_path()) as daemon:
            version = server_status(daemon).version
            server = f"codexd {one_line(version)}{one_line(version_advice(version))}"
    except CommandError:
        server = "codexd does not run"
    return [f"codexctl {__version__}", server]


def _unreachable(error: Unreachable, console: Console) -> Exit:
    if console.json:
        pid = {"pid": error.pid} if isinstance(error, NotListening) else {}
        console.document({"running": bool(pid), "socket": console.socket_path, **pid})
    else:
        console.talk(f"codexctl: {error}")
    return UNREACHABLE
