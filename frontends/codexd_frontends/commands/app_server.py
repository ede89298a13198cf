"""codexctl app-server: the daemon on stdin and stdout, for IDEs and SDKs that start a child process."""

from __future__ import annotations

import argparse
import sys

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.streams import writing_stdout
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.stdio import bridge


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Copy until either side ends."""
    with connect(console):
        pass  # It runs now; the client's own handshake goes over a connection of its own.
    with writing_stdout():
        bridge(console.socket_path, sys.stdin.fileno(), sys.stdout.fileno())
    return DONE
