"""codexctl fork: a new thread with the history of an old thread."""

from __future__ import annotations

import argparse

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import PREFIX_CHARS_MIN, is_full_id, on_thread
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import turn_ids
from codexd_frontends.client.messages import RawThreadAnswer, Thread


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Fork a thread and print the new thread's id."""
    with on_thread(arguments, console) as (daemon, thread_id):
        params: dict[str, object] = {"threadId": thread_id, "excludeTurns": True}
        if arguments.at is not None:
            params["lastTurnId"] = find_turn_id(daemon, thread_id, arguments.at)
        forked = daemon.call("thread/fork", params, RawThreadAnswer).thread
    console.result({"thread": forked}, msgspec.json.decode(forked, type=Thread).id)
    return DONE


def find_turn_id(daemon: Daemon, thread_id: str, word: str) -> str:
    """The id of the turn that `word` names, by its beginning. Raises: UsageError."""
    if is_full_id(word):
        return word.lower()
    meant: list[str] = []
    if len(word) >= PREFIX_CHARS_MIN:
        begins = word.lower()
        # The oldest first, as `show` has them.
        meant = [turn for turn in turn_ids(daemon, thread_id) if turn.startswith(begins)][::-1]
    if not meant:
        raise UsageError(
            f"no turn of the thread has an id that begins with {word!r}; "
            f"`codexctl show {thread_id}` shows them"
        )
    if len(meant) > 1:
        raise UsageError("\n".join([f"{word!r} names several turns:", *meant]))
    return meant[0]
