"""codexctl start: start the daemon, unless it runs."""

from __future__ import annotations

import argparse

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import server_status
from codexd_frontends.client.session import version_advice


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Start the daemon and say which process it is."""
    with connect(console) as daemon:
        status = server_status(daemon)
    members = {"running": True, "pid": status.pid, "socket": console.socket_path}
    advice = version_advice(status.version)
    console.result(members, f"codexd runs as process {status.pid} at {console.socket_path}{advice}")
    return DONE
