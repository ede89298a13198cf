"""codexctl interrupt: stop the turn that runs in a thread, from anywhere."""

from __future__ import annotations

import argparse

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.errors import CommandError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import past_turns, running_turn
from codexd_frontends.client.messages import Turn


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Interrupt the running turn."""
    with on_thread(arguments, console) as (daemon, thread_id):
        last = past_turns(daemon, thread_id, limit=1).turns
        running = running_turn([msgspec.json.decode(raw, type=Turn) for raw in last])
        if running is None:
            raise CommandError(f"no turn runs in {thread_id}")
        daemon.call("turn/interrupt", {"threadId": thread_id, "turnId": running.id}, object)
    members = {"threadId": thread_id, "turnId": running.id, "status": "interrupted"}
    console.result(members, f"interrupted turn {running.id}")
    return DONE
