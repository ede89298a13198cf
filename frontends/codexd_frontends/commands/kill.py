"""codexctl kill: end a session, or all of a thread, or all."""

from __future__ import annotations

import argparse

from codexd.protocol.commands import (
    ThreadBackgroundTerminalsCleanResponse,
    ThreadBackgroundTerminalsTerminateResponse,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.commands.ps import sessions, the_session, thread_of

NO_SESSION = "no session runs; `codexctl interrupt THREAD` ends a command that a turn waits for"


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """End them."""
    thread, session = arguments.thread, arguments.session
    if session is None and not arguments.all:
        thread, session = None, thread  # One word is a session.
    if (session is None) is not arguments.all:
        raise UsageError("expected a session or --all: `codexctl ps` lists them; nothing was done")
    with connect(console) as daemon:
        thread_id = thread_of(daemon, thread)
        ended = _end_all(daemon, thread_id) if arguments.all else _end(daemon, thread_id, session)
    words = f"ended session {', '.join(ended)}" if ended else NO_SESSION
    console.result({"ended": ended}, words)
    return DONE


def _end(daemon: Daemon, thread_id: str | None, session: str) -> list[str]:
    found = the_session(daemon, thread_id, session)
    params = {"threadId": found.thread_id, "processId": session}
    answer = daemon.call(
        "thread/backgroundTerminals/terminate", params, ThreadBackgroundTerminalsTerminateResponse
    )
    return [session] if answer.terminated else []


def _end_all(daemon: Daemon, thread_id: str | None) -> list[str]:
    found = list(sessions(daemon, thread_id))
    for thread in dict.fromkeys(session.thread_id for session in found):
        daemon.call(
            "thread/backgroundTerminals/clean",
            {"threadId": thread},
            ThreadBackgroundTerminalsCleanResponse,
        )
    return [session.process_id for session in found]
