"""codexctl archive, unarchive: put a thread into the archive, or take it out."""

from __future__ import annotations

import argparse

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.exits import DONE, Exit


class _Done(msgspec.Struct, frozen=True):
    withdrawn: int = 0  # prompts that waited for a turn, and will not run


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Put a thread into the archive, or take it out."""
    verb = arguments.subcommand
    with on_thread(arguments, console) as (daemon, thread_id):
        done = daemon.call(f"thread/{verb}", {"threadId": thread_id}, _Done)
    withdrawn = {"withdrawn": done.withdrawn} if done.withdrawn else {}
    if done.withdrawn and not console.json:
        prompts = "a prompt" if done.withdrawn == 1 else f"{done.withdrawn} prompts"
        console.talk(f"codexctl: {prompts} that waited for a turn will not run")
    members = {"threadId": thread_id, "archived": verb == "archive", **withdrawn}
    console.result(members, f"{verb}d {thread_id}")
    return DONE
