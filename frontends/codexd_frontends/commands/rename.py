"""codexctl rename: give a thread a name, by which it can be called from then on."""

from __future__ import annotations

import argparse

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Rename a thread."""
    name = " ".join(arguments.name.split())  # as the daemon has it: one line
    if not name:
        raise UsageError("the new name is empty; nothing was renamed")
    with on_thread(arguments, console) as (daemon, thread_id):
        daemon.call("thread/name/set", {"threadId": thread_id, "name": name}, object)
    members = {"threadId": thread_id, "name": name}
    console.result(members, f"{thread_id} is now called {one_line(name)}")
    return DONE
