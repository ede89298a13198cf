"""codexctl compact: how a thread's history for the model is shortened, and how that is undone."""

from __future__ import annotations

import argparse

import msgspec

from codexd.protocol.codexd_methods import ThreadCompactUndoResponse
from codexd_frontends.cli.compaction import compact, preview
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id, last_thread
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.exits import DONE, Exit


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Do with a thread's compactions what is asked for."""
    with connect(console) as daemon:
        word = arguments.thread
        thread_id = find_thread_id(daemon, word) if word is not None else last_thread(daemon).id
        if arguments.undo:
            undo(daemon, thread_id, console)
        elif arguments.preview:
            preview(daemon, thread_id, console)
        else:
            return compact(daemon, thread_id, console)
    return DONE


def undo(daemon: Daemon, thread_id: str, console: Console) -> None:
    """Undo the last compaction that counts, and print the result."""
    answer = daemon.call("thread/compact/undo", {"threadId": thread_id}, ThreadCompactUndoResponse)
    if console.json:
        console.document({"threadId": thread_id, **msgspec.to_builtins(answer)})
        return
    console.answer(
        f"the last compaction of {thread_id} is undone: the model's history comes to "
        f"{answer.context_tokens:,} tokens"
    )
    if not answer.fits and answer.compact_at is not None:
        console.talk(
            f"that is beyond the limit of {answer.compact_at:,}: the next turn compacts it again"
        )
    if answer.left:
        console.talk("an earlier compaction still counts; the same command undoes that")
