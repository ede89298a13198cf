"""codexctl unarchive: take a thread out of the archive."""

from __future__ import annotations

import argparse

from codexd_frontends.console import Console
from codexd_frontends.exits import DONE, Exit
from codexd_frontends.start import connect
from codexd_frontends.which import find_thread_id


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Bring a thread back."""
    with connect(console) as daemon:
        thread_id = find_thread_id(daemon, arguments.thread)
        daemon.call("thread/unarchive", {"threadId": thread_id}, object)
    if console.json:
        console.document({"threadId": thread_id, "archived": False})
    else:
        console.answer(f"unarchived {thread_id}")
    return DONE
