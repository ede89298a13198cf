"""codexctl feedback: a report of a problem, shown first; saved as a file or sent to the configured endpoint."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile

import msgspec

from codexd.protocol.config import ConfigReadResponse
from codexd.protocol.feedback import FeedbackSaveResponse, FeedbackUploadResponse
from codexd_frontends.cli.answering import confirmed
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, UsageError
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.screen.drawn import one_line

# A long thread is read, redacted and packed.
REPORT_SECONDS_MAX = 120.0


class _Feedback(msgspec.Struct, frozen=True):
    endpoint: str | None = None


class _Config(msgspec.Struct, frozen=True):
    feedback: _Feedback | None = None


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Show what a report has; save it or send it, if that is asked for."""
    if arguments.send and not arguments.yes and not sys.stdin.isatty():
        raise UsageError("expected --yes, or a terminal to ask at; nothing was sent")
    with connect(console) as daemon:
        params = _params(arguments, daemon)
        if arguments.save is not None:
            path = os.path.abspath(arguments.save)
            saved = _save(daemon, params, path)
            return _show(saved, path, console, f"saved as {one_line(path)}")
        endpoint = _endpoint(daemon)
        with tempfile.TemporaryDirectory(prefix="codexd-feedback-") as folder:
            path = os.path.join(folder, "report.zip")
            saved = _save(daemon, params, path)
            if not arguments.send:
                where = f"--send would send it to {endpoint}" if endpoint else NOWHERE
                return _show(saved, path, console, f"nothing was sent: {where}")
            if endpoint is None:
                raise CommandError(f"nothing was sent: {NOWHERE}")
            if not console.json:
                _show(saved, path, console, f"this is for {endpoint}")
        if not arguments.yes and not confirmed("Send it?", console):
            console.talk("nothing was sent")
            return FAILED
        sent = daemon.call(
            "feedback/upload", params, FeedbackUploadResponse, seconds=REPORT_SECONDS_MAX
        )
    console.result({**msgspec.to_builtins(sent), "sent": True}, f"sent: {one_line(sent.thread_id)}")
    return DONE


NOWHERE = (
    "`endpoint` in the table [feedback] of config.toml names where to; --save FILE makes a file"
)


def _params(arguments: argparse.Namespace, daemon: Daemon) -> dict[str, object]:
    params: dict[str, object] = {
        "classification": arguments.classification,
        "includeLogs": not arguments.no_logs,
    }
    if arguments.reason is not None:
        params["reason"] = arguments.reason
    if arguments.thread is not None:
        params["threadId"] = find_thread_id(daemon, arguments.thread)
    return params


def _endpoint(daemon: Daemon) -> str | None:
    read = daemon.call("config/read", {}, ConfigReadResponse)
    table = msgspec.json.decode(read.config, type=_Config).feedback
    return one_line(table.endpoint) if table is not None and table.endpoint else None


def _save(daemon: Daemon, params: dict[str, object], path: str) -> FeedbackSaveResponse:
    asked = {**params, "savePath": path}
    return daemon.call("feedback/save", asked, FeedbackSaveResponse, seconds=REPORT_SECONDS_MAX)


def _show(saved: FeedbackSaveResponse, path: str, console: Console, said: str) -> Exit:
    """What is in a report: its tags, and the names and sizes of its files."""
    with zipfile.ZipFile(path) as archive:
        files = [{"name": found.filename, "bytes": found.file_size} for found in archive.infolist()]
        tags = msgspec.json.decode(archive.read("tags.json"), type=dict[str, str])
    lines = [f"  {one_line(name)}: {one_line(value)}" for name, value in tags.items()]
    lines += [f"  {one_line(str(file['name']))}, {file['bytes']:,} bytes" for file in files]
    members = {"threadId": saved.thread_id, "tags": tags, "files": files}
    console.result({**members, "sent": False}, "The report, without secrets:", *lines, said)
    return DONE
