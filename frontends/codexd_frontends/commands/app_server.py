"""codexctl app-server: the daemon on stdin and stdout, for IDEs and SDKs that start a child process.

It outlives a daemon that restarts, since its client could not connect again.
"""

from __future__ import annotations

import argparse
import sys

from codexd_frontends.bridge.overriding import settings_of
from codexd_frontends.bridge.stdio import bridge
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import comes_back, connect
from codexd_frontends.cli.streams import writing_stdout
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line

STDIO = "stdio://"  # where an app server answers its client


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Copy until either side ends."""
    if arguments.listen not in (None, STDIO):
        raise UsageError(
            f"--listen: expected {STDIO}, found {one_line(arguments.listen, 80)!r}; the daemon has a socket of "
            "its own: `codexctl paths`"
        )
    settings = settings_of(arguments.config, arguments.enable, arguments.disable)
    if arguments.profile is not None:
        console.talk(
            "codexctl: --profile was ignored: a profile is the daemon's, `codexd --profile NAME`"
        )
    with connect(console):
        pass  # It runs now; the client's own handshake goes over a connection of its own.
    with writing_stdout():
        bridge(
            console.socket_path,
            sys.stdin.fileno(),
            sys.stdout.fileno(),
            settings,
            comes_back=lambda: comes_back(console),
        )
    return DONE
