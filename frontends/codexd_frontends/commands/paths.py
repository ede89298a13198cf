"""codexctl paths: where everything lies."""

from __future__ import annotations

import argparse

from codexd.machine.paths import default_paths
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import daemon_log_path
from codexd_frontends.client.exits import DONE, Exit


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Print the places; nothing is created."""
    paths = default_paths()
    places = {
        "config": str(paths.config_file),
        "data": str(paths.data_dir),
        "state": str(paths.state_dir),
        "runtime": str(paths.runtime_dir),
        "socket": console.socket_path,
        "log": str(daemon_log_path()),
    }
    console.result({"paths": places}, *(f"{name:<8}{place}" for name, place in places.items()))
    return DONE
