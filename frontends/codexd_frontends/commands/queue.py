"""codexctl queue: the prompts of a thread that wait for their turns."""

from __future__ import annotations

import argparse
import uuid

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.messages import RawPage
from codexd_frontends.commands.send import read_prompt
from codexd_frontends.screen.drawn import one_line


class Part(msgspec.Struct, frozen=True):
    """A part of a prompt; what has no text is shown by what it names."""

    type: str
    text: str = ""
    path: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """A prompt that waits."""

    id: str
    input: tuple[Part, ...]

    @property
    def line(self) -> str:
        """It as a line of a list."""
        return one_line(" ".join(part.text or part.path or f"[{part.type}]" for part in self.input))


class Added(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to a prompt that was queued."""

    queued_submission: Waiting


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Change the queue as asked, and show it."""
    said = ""
    with on_thread(arguments, console) as (daemon, thread_id):
        if arguments.action == "add":
            said = _add(daemon, thread_id, read_prompt(arguments.prompt))
        elif arguments.action != "list":
            said = _changed(daemon, thread_id, arguments)
        queue = _queue(daemon, thread_id)
    members = {"threadId": thread_id, "queue": msgspec.to_builtins(queue)}
    console.result(members, *([said] if said else []), *_lines(queue))
    return DONE


def _add(daemon: Daemon, thread_id: str, prompt: str) -> str:
    added = daemon.call(
        "thread/queue/add",
        {
            "threadId": thread_id,
            "input": [{"type": "text", "text": prompt}],
            "clientUserMessageId": str(uuid.uuid4()),
        },
        Added,
    )
    return f"queued: {added.queued_submission.line}"


def _changed(daemon: Daemon, thread_id: str, arguments: argparse.Namespace) -> str:
    queue = _queue(daemon, thread_id)
    meant = _at(queue, arguments.place)
    if arguments.action == "remove":
        params = {"threadId": thread_id, "queuedSubmissionId": meant.id}
        daemon.call("thread/queue/delete", params, msgspec.Raw)
        return f"removed: {meant.line}"
    ids = [entry.id for entry in queue if entry.id != meant.id]
    ids.insert(arguments.to - 1, meant.id)
    order = {"threadId": thread_id, "queuedSubmissionIds": ids}
    daemon.call("thread/queue/reorder", order, msgspec.Raw)
    return f"moved: {meant.line}"


def _at(queue: list[Waiting], place: int) -> Waiting:
    """The prompt at a place. Raises: UsageError."""
    if not 1 <= place <= len(queue):
        wait = f"{len(queue)} wait{'s' if len(queue) == 1 else ''}"
        raise UsageError(f"expected a place in the queue, found {place}: {wait}")
    return queue[place - 1]


def _queue(daemon: Daemon, thread_id: str) -> list[Waiting]:
    pages = daemon.pages("thread/queue/list", {"threadId": thread_id}, RawPage)
    return [msgspec.json.decode(entry, type=Waiting) for page in pages for entry in page.data]


def _lines(queue: list[Waiting]) -> list[str]:
    if not queue:
        return ["nothing waits"]
    return [f"{place:>3}  {waits.line}" for place, waits in enumerate(queue, 1)]
