"""codexctl compact: how a thread's history for the model is shortened, and how that is undone."""

from __future__ import annotations

import argparse
import uuid

import msgspec
from msgspec import Raw

from codexd.protocol.codexd_methods import ThreadCompactPreviewResponse, ThreadCompactUndoResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.follow_turn import AsJson, OnScreen, RunningTurn, turn_screen
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.cli.watch import Interrupts, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import Followed
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.numbers import exact


class CompactStarted(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to thread/compact/start."""

    turn_id: str


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Do with a thread's compactions what is asked for."""
    with on_thread(arguments, console) as (daemon, thread_id):
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


def compact(daemon: Daemon, thread_id: str, console: Console) -> Exit:
    """Compact the thread, and follow that to its end."""
    followed = Followed(thread_id)
    with Interrupts() as interrupts:
        followed.attach(daemon)
        params = {"threadId": thread_id}
        asked = params | {"idempotencyKey": str(uuid.uuid4())}
        turn_id = daemon.call("thread/compact/start", asked, CompactStarted).turn_id
        if console.json:
            console.document({"threadId": thread_id, "turnId": turn_id})
        shows = AsJson(console) if console.json else OnScreen(console, turn_screen(console))
        turn = RunningTurn(daemon, followed, turn_id, console, shows)
        ended = turn.follow(Watch(interrupts, None))
    if ended.exit is not DONE:
        return ended.exit
    now = daemon.call("thread/compact/preview", params, ThreadCompactPreviewResponse)
    console.result(
        {"threadId": thread_id, "contextTokens": now.context_tokens},
        f"{thread_id} is compacted: the model's history comes to {exact(now.context_tokens)} tokens",
    )
    return DONE


def preview(daemon: Daemon, thread_id: str, console: Console) -> None:
    """Say what a compaction would keep and lose; no model is called."""
    read = daemon.call("thread/compact/preview", {"threadId": thread_id}, Raw)
    if console.json:
        console.document({"threadId": thread_id, "preview": read})
        return
    console.answers(preview_lines(msgspec.json.decode(read, type=ThreadCompactPreviewResponse)))


def preview_lines(seen: ThreadCompactPreviewResponse) -> list[str]:
    """A preview as a person reads it."""
    limit = "" if seen.compact_at is None else f"; at {exact(seen.compact_at)} it is compacted"
    lines = [
        f"now: {exact(seen.context_tokens)} tokens in context{limit}",
        f"kept, word for word: {exact(seen.kept_tokens)} tokens",
    ]
    for message in seen.kept:
        mark = "pinned" if message.pinned else "cut in its middle" if message.truncated else ""
        tail = f"  ({mark})" if mark else ""
        lines.append(
            f"  {message.seq:>6}  {exact(message.tokens):>7}  {one_line(message.text)}{tail}"
        )
    lost = seen.lost
    counts = (
        (lost.user_messages, "messages of people and of the daemon"),
        (lost.answers, "answers"),
        (lost.reasoning, "thoughts"),
        (lost.calls, "tool calls"),
        (lost.outputs, "outputs of tools"),
        (lost.other, "other items"),
    )
    what = ", ".join(f"{name}: {exact(number)}" for number, name in counts if number)
    lines.append(f"lost, but for a summary: {exact(lost.tokens)} tokens ({what or 'nothing'})")
    lines.append("the text and length of the summary are known only when it is written")
    return lines
