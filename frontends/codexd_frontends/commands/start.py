"""codexctl start: start the daemon, unless it runs."""

from __future__ import annotations

import argparse

from codexd_frontends.console import Console
from codexd_frontends.exits import DONE, Exit
from codexd_frontends.follow import server_status
from codexd_frontends.start import connect


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Start the daemon and say which process it is."""
    with connect(console) as daemon:
        status = server_status(daemon)
    if console.json:
        console.document({"running": True, "pid": status.pid, "socket": console.socket_path})
    else:
        console.answer(f"codexd runs as process {status.pid} at {console.socket_path}")
    return DONE
