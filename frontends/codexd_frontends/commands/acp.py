"""codexctl acp: an agent on stdin and stdout, for editors that speak the Agent Client Protocol."""

from __future__ import annotations

import argparse
import sys

from codexd_frontends.acp.agent import Agent
from codexd_frontends.acp.editor import Editor
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.exits import Exit


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Serve one editor until it closes the pipe; the turns that it has begun go on."""
    with connect(console) as daemon:
        return Agent(Editor(sys.stdin.fileno(), sys.stdout.fileno()), daemon, console).run()
