"""codexctl type: type into a session that has a terminal."""

from __future__ import annotations

import argparse
import getpass
import sys

from codexd.protocol.commands import ThreadBackgroundTerminalsWriteResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.commands.ps import the_session

# What the keys Ctrl-C and Ctrl-D send.
INTERRUPT, END_OF_INPUT = "\x03", "\x04"


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Type."""
    chars = _chars(arguments)
    with connect(console) as daemon:
        found = the_session(daemon, None, arguments.session)
        params = {
            "threadId": found.thread_id,
            "processId": found.process_id,
            "chars": chars,
            "secret": arguments.secret,
        }
        daemon.call(
            "thread/backgroundTerminals/write", params, ThreadBackgroundTerminalsWriteResponse
        )
    members = {"threadId": found.thread_id, "session": found.process_id}
    console.result(members, f"typed into session {found.process_id}")
    return DONE


def _chars(arguments: argparse.Namespace) -> str:
    """What is typed. Raises: UsageError."""
    keys = (INTERRUPT if arguments.interrupt else "") + (END_OF_INPUT if arguments.end else "")
    text: str | None = arguments.text
    if arguments.secret:
        if text is not None or keys:
            raise UsageError(
                "expected no text beside --secret, which asks for it; nothing was typed"
            )
        text = getpass.getpass("what to type (not shown): ")
    elif text == "-":
        return sys.stdin.read() + keys
    if text is None:
        if not keys:
            raise UsageError(
                "expected a text, -, --secret, --interrupt or --end; nothing was typed"
            )
        return keys
    return text + ("" if arguments.no_return else "\n") + keys
