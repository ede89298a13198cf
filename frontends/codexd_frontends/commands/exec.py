"""codexctl exec: one prompt, run to its end without asking anybody; for CI jobs, and what Codex's SDKs start."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import SOURCE_KINDS, find_thread_id
from codexd_frontends.cli.watch import Interrupts, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.exits import DONE, INTERRUPTED, LEFT, Exit
from codexd_frontends.client.follow import Followed, begun_thread, new_thread
from codexd_frontends.client.messages import RawPage, Thread, ThreadAnswer, TurnAnswer
from codexd_frontends.client.passed_env import session_of_turn
from codexd_frontends.commands.send import directory, find_local
from codexd_frontends.exec.asked import (
    Asked,
    NotRun,
    asked_of,
    read_prompt,
    read_schema,
    review_target,
)
from codexd_frontends.exec.settings import Settings, check_folder, thread_settings
from codexd_frontends.exec.turn import AsEvents, ExecTurn, OnStderr
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.images import image_parts, input_of
from codexd_frontends.screen.numbers import summary_line
from codexd_frontends.screen.render import Piece, TerminalScreen

# The name of the program for the daemon and for providers: the SDK says its own.
ORIGINATOR_VARIABLE = "CODEX_INTERNAL_ORIGINATOR_OVERRIDE"
ORIGINATOR = "codex_exec"


class Request(NamedTuple):
    """The request that starts the turn."""

    method: str
    params: dict[str, object]


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Run the prompt, or a review, and follow the turn."""
    asked = asked_of(arguments)
    request = _request(arguments, asked, console)
    cwd = directory(arguments.cwd or ".")
    console.frontend = os.environ.get(ORIGINATOR_VARIABLE) or ORIGINATOR
    with connect(console) as daemon, Interrupts() as interrupts:
        check_folder(daemon, arguments, cwd)
        if arguments.oss or arguments.local_provider:
            find_local(daemon, arguments, console)
        settings = thread_settings(daemon, arguments, cwd)
        shows = AsEvents(console) if console.json else _on_stderr(console)
        with _attached(daemon, arguments, asked, settings) as followed:
            start = partial(_start, daemon, followed, request)
            shows.begin(followed.thread_id, settings.warnings)
            turn_id = start()
        again = start if "idempotencyKey" in request.params else None
        turn = ExecTurn(daemon, followed, turn_id, console, shows, again)
        ended = turn.follow(Watch(interrupts, output=sys.stdout.fileno()))
        if ended.exit == DONE:
            _finish(turn, arguments, console)
        return LEFT if ended.exit == INTERRUPTED and interrupts.count else ended.exit


def _request(arguments: argparse.Namespace, asked: Asked, console: Console) -> Request:
    """What starts the turn, without its thread. Raises: NotRun, UsageError."""
    if asked.action == "review":
        prompt = None if asked.prompt is None else read_prompt(asked, console)
        return Request("review/start", {"target": review_target(arguments, prompt)})
    key = str(uuid.uuid4())
    params: dict[str, object] = {
        "input": input_of(image_parts(arguments.images), read_prompt(asked, console)),
        "clientUserMessageId": key,
        "idempotencyKey": key,
    }
    schema = read_schema(arguments.output_schema)
    return Request("turn/start", params if schema is None else {**params, "outputSchema": schema})


def _start(daemon: Daemon, followed: Followed, request: Request) -> str:
    """Start the turn, or tie it to another connection: its key lets it begin only once. Returns its id."""
    params = {
        **request.params,
        **session_of_turn(daemon.key_variables, of_exec=True),
        "threadId": followed.thread_id,
        "interruptOnDisconnect": True,
    }
    return daemon.call(request.method, params, TurnAnswer).turn.id


def _attached(
    daemon: Daemon, arguments: argparse.Namespace, asked: Asked, settings: Settings
) -> AbstractContextManager[Followed]:
    """The thread of the turn: a new thread, a fork, or one that was stored."""
    of_new = {
        name: value
        for name, value in (
            ("ephemeral", arguments.ephemeral),
            ("threadSource", arguments.thread_source),
        )
        if value
    }
    if asked.action in ("start", "review"):
        return begun_thread(daemon, settings.params | of_new | {"source": "exec"})
    thread_id = _thread_id(daemon, arguments, asked)
    params = {**settings.params, "threadId": thread_id, "excludeTurns": True}
    if asked.action == "fork":
        return nullcontext(new_thread(daemon, "thread/fork", params | of_new))
    daemon.call("thread/resume", params, ThreadAnswer)
    followed = Followed(thread_id)
    followed.attach(daemon)
    return nullcontext(followed)


def _thread_id(daemon: Daemon, arguments: argparse.Namespace, asked: Asked) -> str:
    """The thread that is meant. Raises: NotRun, UsageError."""
    if asked.thread is not None:
        return find_thread_id(daemon, asked.thread)
    cwd = directory(arguments.cwd or ".")
    params: dict[str, object] = {
        "cwd": None if arguments.all else cwd,
        "limit": 1,
        "sortKey": "updated_at",
        "sortDirection": "desc",
        "sourceKinds": SOURCE_KINDS,
    }
    for raw in daemon.call("thread/list", params, RawPage).data:
        return msgspec.json.decode(raw, type=Thread).id
    where = "" if arguments.all else f" in {one_line(cwd)}; --all takes those of other directories"
    raise NotRun(f"resume --last: expected a thread, found none{where}; nothing was run")


def _on_stderr(console: Console) -> OnStderr:
    style, holds = console.talk_style, not sys.stderr.isatty()
    return OnStderr(console, TerminalScreen(answer=style, talk=style, whole=False, holds=holds))


def _finish(turn: ExecTurn, arguments: argparse.Namespace, console: Console) -> None:
    """Write what the turn came to: into the file, and for a person on stdout."""
    result = turn.result
    if arguments.last_message is not None:
        if not result:
            console.talk(
                f"codexctl: there is no last message; {one_line(arguments.last_message)} is empty"
            )
        try:
            Path(arguments.last_message).write_text(result or "")
        except OSError as error:
            raise NotRun(
                f"the turn is done, and its last message cannot be written to "
                f"{one_line(arguments.last_message)}: {error.strerror}"
            ) from error
    if console.json:
        return
    if turn.used is not None:
        console.talk(console.talk_style.dim(summary_line(turn.used)))
    if result and not console.one_screen:  # Where both are one screen it has been seen.
        console.write([Piece(result if result.endswith("\n") else f"{result}\n", is_answer=True)])
