"""codexctl review: a reviewer looks at changes; its findings go to stdout, and what it does to stderr."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.follow_turn import AsJson, OnScreen, RunningTurn, turn_screen
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.cli.watch import InputLines, Interrupts, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import Exit
from codexd_frontends.client.follow import Followed, begun_thread
from codexd_frontends.client.messages import Message, TurnAnswer
from codexd_frontends.client.passed_env import session_of_turn
from codexd_frontends.commands.send import directory, read_prompt


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Start a review and follow it to its end."""
    target = target_of(arguments)
    with connect(console) as daemon, Interrupts() as interrupts:
        with _attached(daemon, arguments.thread) as followed:
            params = {
                "threadId": followed.thread_id,
                "target": target,
                "refuseUnknown": True,
                **session_of_turn(daemon.key_variables),
            }
            turn_id = daemon.call("review/start", params, TurnAnswer).turn.id
        if console.json:
            console.document({"threadId": followed.thread_id, "turnId": turn_id})
        shows = _Findings(console) if console.json else _on_screen(console, followed.thread_id)
        lines = InputLines(sys.stdin.fileno()) if console.may_ask else None
        ended = RunningTurn(daemon, followed, turn_id, console, shows).follow(
            Watch(interrupts, lines)
        )
    if isinstance(shows, _Findings):
        # The findings as the reviewer gave them, and as text.
        found = {"review": shows.found.output, "text": shows.found.review}
        console.document(ended.members() | found)
    return ended.exit


def target_of(arguments: argparse.Namespace) -> dict[str, str]:
    """The target of the review, as on the wire. Raises: UsageError."""
    flag = (
        "--uncommitted"
        if arguments.uncommitted
        else "--base"
        if arguments.base is not None
        else "--commit"
    )
    if arguments.prompt is not None:
        if arguments.uncommitted or arguments.base is not None or arguments.commit is not None:
            raise UsageError(
                f"expected {flag} or a PROMPT, found both; nothing was reviewed: say all of it in the PROMPT"
            )
        return {"type": "custom", "instructions": read_prompt(arguments.prompt)}
    if arguments.base is not None:
        return {"type": "baseBranch", "branch": arguments.base}
    if arguments.commit is not None:
        return {"type": "commit", "sha": arguments.commit}
    return {"type": "uncommittedChanges"}


def _attached(daemon: Daemon, word: str | None) -> AbstractContextManager[Followed]:
    """The thread of the review: a new or a named thread."""
    if word is None:
        return begun_thread(daemon, {"cwd": directory(".")})
    followed = Followed(find_thread_id(daemon, word))
    followed.attach(daemon)
    return nullcontext(followed)


def _on_screen(console: Console, thread_id: str) -> OnScreen:
    console.talk(console.talk_style.dim(f"thread {thread_id}"))
    return OnScreen(console, turn_screen(console))


class _Found(msgspec.Struct, frozen=True):
    type: str = ""
    review: str = ""
    output: msgspec.Raw = msgspec.Raw(b"null")


class _Note(msgspec.Struct, frozen=True):
    item: _Found = _Found()


class _Findings(AsJson):
    """The messages, a line each; the findings are kept for the last line."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.found = _Found()

    def message(self, message: Message) -> None:
        super().message(message)
        if message.method == "item/completed":
            item = msgspec.json.decode(message.params, type=_Note).item
            self.found = item if item.type == "exitedReviewMode" else self.found
