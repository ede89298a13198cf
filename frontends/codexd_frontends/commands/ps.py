"""codexctl ps: the commands that run, of one thread or of all: sessions, and those that turns wait for."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import msgspec

from codexd.protocol.commands import BackgroundTerminal, ThreadBackgroundTerminalsListResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id, short_id_chars
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.items import seconds
from codexd_frontends.screen.style import Style


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """List them."""
    with connect(console) as daemon:
        found = list(sessions(daemon, thread_of(daemon, arguments.thread), with_calls=True))
    members = {"sessions": msgspec.to_builtins(found)}
    console.result(members, *session_lines(found, time.time(), console.out_style))
    return DONE


def thread_of(daemon: Daemon, named: str | None) -> str | None:
    """The thread that was named, if one was. Raises: UsageError."""
    return None if named is None else find_thread_id(daemon, named)


def sessions(
    daemon: Daemon, thread_id: str | None, *, with_calls: bool = False
) -> Iterator[BackgroundTerminal]:
    """Those of a thread, or of all; `with_calls`: and the commands that turns wait for, which have no number."""
    params = {"threadId": thread_id, "withCalls": with_calls}
    for page in daemon.pages(
        "thread/backgroundTerminals/list", params, ThreadBackgroundTerminalsListResponse
    ):
        yield from page.data


def the_session(daemon: Daemon, thread_id: str | None, session: str) -> BackgroundTerminal:
    """The session of that id. Raises: UsageError."""
    for found in sessions(daemon, thread_id):
        if found.process_id == session:
            return found
    raise UsageError(
        f"expected a session that runs, found {session!r}: `codexctl ps` lists them, and `codexctl interrupt "
        "THREAD` ends a command without a number; nothing was done"
    )


def session_lines(found: Sequence[BackgroundTerminal], now: float, style: Style) -> list[str]:
    """The table, a line a session."""
    if not found:
        return ["no command runs"]
    id_chars = short_id_chars(list({session.thread_id for session in found}))
    return [
        f"{session.process_id or '-':>7}  {session.thread_id[:id_chars]}  "
        f"{style.dim(f'{_since(session, now):>12}')}  {_number(session.os_pid):>8}  {_load(session)}  "
        f"{style.bold(one_line(session.command))}{style.dim(_remark(session))}"
        for session in found
    ]


def _remark(session: BackgroundTerminal) -> str:
    if not session.process_id:
        return "  (its turn waits for it)"
    if session.process_id.startswith("p"):
        return "  (a person's)"
    return "" if session.tty else "  (no terminal)"


def _load(session: BackgroundTerminal) -> str:
    """Its part of a processor, and its memory."""
    if session.cpu_percent is None or session.rss_kb is None:
        return " " * 15
    return f"{session.cpu_percent:5.1f}%  {_memory(session.rss_kb):>7}"


def _memory(kilobytes: int) -> str:
    unit = next((unit for unit in range(2) if kilobytes < 1024 ** (unit + 1)), 2)
    return f"{kilobytes / 1024**unit:.{1 if unit else 0}f}{'KMG'[unit]}"


def _since(session: BackgroundTerminal, now: float) -> str:
    started = session.started_at_ms
    return "" if started is None else seconds(max(0, round(now * 1000) - started))


def _number(pid: int | None) -> str:
    return "" if pid is None else str(pid)
