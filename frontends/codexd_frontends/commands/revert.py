"""codexctl revert: revert turns of a thread, or restore reverted turns. Files on the disk stay as they are."""

from __future__ import annotations

import argparse
import itertools
import re

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import turn_ids
from codexd_frontends.client.messages import RevertAnswer
from codexd_frontends.commands.fork import find_turn_id
from codexd_frontends.screen.items import turns_of

# An id is written in hexadecimal digits as well, and begins with a 0 for some centuries to come.
_NUMBER = re.compile(r"-?[1-9][0-9]*|0", re.ASCII)
FILES_STAY = "files on the disk were not changed"


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Revert or restore turns, and print which."""
    if arguments.to is None and not arguments.undo:
        raise UsageError("expected --to TURN or --undo, found neither; nothing was reverted")
    with on_thread(arguments, console) as (daemon, thread_id):
        params: dict[str, object] = {"threadId": thread_id}
        if arguments.undo:
            answer = daemon.call("thread/revert/undo", params, RevertAnswer)
            said = f"restored {turns_of(answer.turns)} of {thread_id}; {FILES_STAY}"
            hint = ""
        else:
            before = turn_after(daemon, thread_id, arguments.to)
            params["beforeTurnId"] = before
            answer = daemon.call("thread/revert", params, RevertAnswer)
            said = f"reverted {turns_of(answer.turns)} of {thread_id}; {FILES_STAY}"
            hint = f"codexctl revert {thread_id} --undo restores them"
    console.result({"thread": answer.thread, "turns": answer.turns, **params}, said)
    if hint and not console.json:
        console.talk(hint)
    return DONE


def turn_after(daemon: Daemon, thread_id: str, word: str) -> str:
    """The turn after the one that `word` names: the first to be reverted. Raises: UsageError."""
    if _NUMBER.fullmatch(word):
        return _after_number(daemon, thread_id, int(word))
    kept = find_turn_id(daemon, thread_id, word)
    newer: str | None = None
    for turn_id in turn_ids(daemon, thread_id):
        if turn_id == kept:
            break
        newer = turn_id
    else:
        raise UsageError(f"the thread has no turn {kept}; `codexctl show {thread_id}` shows them")
    if newer is None:
        raise UsageError(f"turn {kept} is the last one: there is no later turn to revert")
    return newer


def _after_number(daemon: Daemon, thread_id: str, number: int) -> str:
    if number < 0:
        last = list(itertools.islice(turn_ids(daemon, thread_id), -number))
        if len(last) < -number:
            raise UsageError(
                f"expected at most {turns_of(len(last))} to revert, found {-number}: the thread has no more"
            )
        return last[-1]
    every = list(turn_ids(daemon, thread_id))[::-1]
    if number >= len(every):
        raise UsageError(
            f"expected a turn with a later turn, found number {number}: the thread has {len(every)}"
        )
    return every[number]
