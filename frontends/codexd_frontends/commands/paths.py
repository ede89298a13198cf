"""codexctl paths: where everything lies."""

from __future__ import annotations

import argparse

from codexd.paths import default_paths
from codexd_frontends.console import Console
from codexd_frontends.exits import DONE, Exit
from codexd_frontends.start import daemon_log_path


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
    if console.json:
        console.document({"paths": places})
    else:
        for name, place in places.items():
            console.answer(f"{name:<8}{place}")
    return DONE
