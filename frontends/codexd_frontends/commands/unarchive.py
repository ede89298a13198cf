"""codexctl unarchive: take a thread out of the archive."""

from __future__ import annotations

import argparse

from codexd_frontends.cli.console import Console
from codexd_frontends.client.exits import Exit
from codexd_frontends.commands.archive import move


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Bring a thread back."""
    return move(arguments, console, into_archive=False)
