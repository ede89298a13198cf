"""codexctl export: a thread, what it was forked from and its blobs, as one file."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile

import msgspec

from codexd.protocol.transfer import ThreadExportResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.streams import writing_stdout
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.messages import RawThreadAnswer, Thread

SUFFIX = ".codexd.tar"
# Gigabytes of blobs are copied at the disk's own speed.
EXPORT_SECONDS_MAX = 3600.0
# A file's name beside its suffix: what any file system takes, and a person can read.
NAME_CHARACTERS_MAX = 60

_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Export a thread and print where to."""
    if arguments.output == "-" and sys.stdout.isatty():
        raise UsageError(
            "expected a file or a pipe for a package, found a terminal, which would obey what is in it; "
            "nothing was exported"
        )
    with on_thread(arguments, console) as (daemon, thread_id):
        if arguments.output == "-":
            return _to_stdout(daemon, thread_id)
        path = os.path.abspath(arguments.output or _file_name(daemon, thread_id))
        exported = _export(daemon, thread_id, path, force=arguments.force)
    console.result(msgspec.to_builtins(exported), path)
    if not console.json:
        console.talk(
            f"{exported.size_bytes} bytes: {exported.logs} logs, {exported.blobs} blobs. "
            f"`codexctl import` brings it in elsewhere."
        )
    return DONE


def _export(daemon: Daemon, thread_id: str, path: str, *, force: bool) -> ThreadExportResponse:
    params = {"threadId": thread_id, "path": path, "force": force}
    return daemon.call("thread/export", params, ThreadExportResponse, seconds=EXPORT_SECONDS_MAX)


def _to_stdout(daemon: Daemon, thread_id: str) -> Exit:
    with tempfile.TemporaryDirectory(prefix="codexd-export-") as folder:
        path = os.path.join(folder, thread_id)
        _export(daemon, thread_id, path, force=False)
        with open(path, "rb") as file, writing_stdout():
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    return DONE


def _file_name(daemon: Daemon, thread_id: str) -> str:
    answer = daemon.call("thread/read", {"threadId": thread_id}, RawThreadAnswer)
    name = msgspec.json.decode(answer.thread, type=Thread).name or ""
    plain = _NOT_IN_A_NAME.sub("-", name).strip("-.")[:NAME_CHARACTERS_MAX]
    return f"{plain or thread_id}{SUFFIX}"
