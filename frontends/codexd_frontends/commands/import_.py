"""codexctl import: exported threads, and threads of Codex, into this daemon."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

import msgspec

from codexd.protocol.transfer import (
    ImportedFile,
    ThreadImportProgressNotification,
    ThreadImportResponse,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.client.messages import Message
from codexd_frontends.screen.drawn import one_line

# A home of years has gigabytes, and each gigabyte takes some seconds.
IMPORT_SECONDS_MAX = 24 * 3600.0
# The time between two reports of the progress.
TALK_EVERY_SECONDS = 2.0

_SAID = {
    "imported": "imported",
    "grown": "continued",
    "already_here": "already here",
    "refused": "refused",
}


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Import files, say what became of each, and what was not taken over line by line."""
    paths = [os.path.abspath(os.path.expanduser(path)) for path in arguments.paths]
    with connect(console) as daemon:
        answer = _import(daemon, console, paths, dry_run=arguments.dry_run)
    if console.json:
        console.document({"dryRun": arguments.dry_run, **msgspec.to_builtins(answer)})
    else:
        _say(console, answer.files, dry_run=arguments.dry_run)
    refused = any(file.outcome == "refused" for file in answer.files)
    return FAILED if refused else DONE


def _import(
    daemon: Daemon, console: Console, paths: Sequence[str], *, dry_run: bool
) -> ThreadImportResponse:
    talker = _Talker(console)
    params = {"paths": paths, "dryRun": dry_run}
    return daemon.call(
        "thread/import",
        params,
        ThreadImportResponse,
        seconds=IMPORT_SECONDS_MAX,
        heard=talker.heard,
    )


class _Talker:
    """Says how far it is, now and then."""

    def __init__(self, console: Console) -> None:
        self._console, self._next = console, time.monotonic() + TALK_EVERY_SECONDS

    def heard(self, message: Message) -> bool:
        """Take in what came while the answer is waited for; whether it was for us."""
        if message.method != "thread/import/progress":
            return False
        if time.monotonic() >= self._next and not self._console.json:
            self._next = time.monotonic() + TALK_EVERY_SECONDS
            at = msgspec.json.decode(message.params, type=ThreadImportProgressNotification)
            percent = 100 * at.read_bytes // max(at.size_bytes, 1)
            self._console.talk(f"{one_line(os.path.basename(at.path))}: {percent} %")
        return True


def _say(console: Console, files: Sequence[ImportedFile], *, dry_run: bool) -> None:
    for file in files:
        path = one_line(file.path)
        if file.outcome == "refused":
            console.talk(f"refused  {one_line(file.message or path)}")
        else:
            would = "would be " if dry_run and file.outcome == "imported" else ""
            threads = " ".join(file.thread_ids)
            console.answer(f"{threads or '-'}  {would}{_SAID[file.outcome]}  {path}")
            if file.message is not None:
                console.talk(f"  {one_line(file.message)}")
        for problem in file.problems:
            console.talk(f"{one_line(problem.path)}:{problem.line}: {one_line(problem.message)}")
        untold = file.problems_in_all - len(file.problems)
        if untold > 0:
            console.talk(f"{path}: and {untold} more like these")
