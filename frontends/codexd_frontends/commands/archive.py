"""codexctl archive: put a thread into the archive. `unarchive` is the same way back."""

from __future__ import annotations

import argparse

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.client.exits import DONE, Exit


class _Done(msgspec.Struct, frozen=True):
    withdrawn: int = 0  # prompts that waited for a turn, and will not run


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Archive a thread."""
    return move(arguments, console, into_archive=True)


def move(arguments: argparse.Namespace, console: Console, *, into_archive: bool) -> Exit:
    """Put a thread into the archive, or take it out."""
    verb = "archive" if into_archive else "unarchive"
    with connect(console) as daemon:
        thread_id = find_thread_id(daemon, arguments.thread)
        done = daemon.call(f"thread/{verb}", {"threadId": thread_id}, _Done)
    if console.json:
        withdrawn = {"withdrawn": done.withdrawn} if done.withdrawn else {}
        console.document({"threadId": thread_id, "archived": into_archive, **withdrawn})
    else:
        if done.withdrawn:
            prompts = "a prompt" if done.withdrawn == 1 else f"{done.withdrawn} prompts"
            console.talk(f"codexctl: {prompts} that waited for a turn will not run")
        console.answer(f"{verb}d {thread_id}")
    return DONE
