"""codexctl delete: remove a thread permanently."""

from __future__ import annotations

import argparse

from codexd_frontends.cli.answering import confirmed
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, FAILED, Exit


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Delete a thread."""
    with on_thread(arguments, console) as (daemon, thread_id):
        if not arguments.yes and not _is_meant(thread_id, console):
            console.talk("nothing was deleted")
            return FAILED
        params = {"threadId": thread_id, "detachChildren": arguments.detach_children}
        daemon.call("thread/delete", params, object)
    console.result({"threadId": thread_id, "deleted": True}, f"deleted {thread_id}")
    return DONE


def _is_meant(thread_id: str, console: Console) -> bool:
    """Ask. Raises: UsageError where no person can answer."""
    if not console.may_ask:
        raise UsageError(
            f"deleting cannot be undone: say --yes to delete {thread_id}; nothing was deleted"
        )
    return confirmed(f"Delete {thread_id} permanently?", console)
