"""codexctl on: run a command, or notify a person, for events of threads: at least once, also for those missed meanwhile."""

from __future__ import annotations

import argparse
import os

import msgspec

from codexd.protocol.hooks import HookAddResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.commands.moments import moment_ms
from codexd_frontends.screen.drawn import one_line


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Add a hook."""
    command = list(arguments.server_command)
    receiver = _receiver(arguments)
    is_known = arguments.replay and not command and receiver is None
    if bool(command) == (receiver is not None) and not is_known:
        raise UsageError(
            "expected a command after --, or one of --desktop, --ntfy URL and --webhook URL, found "
            f"{'both' if command else 'neither'}; nothing was added"
        )
    if arguments.replay and (arguments.since is None or arguments.name is None):
        raise UsageError(
            "expected --name NAME and --since WHEN with --replay: which hook runs again, and for events since when; "
            "nothing was added"
        )
    params: dict[str, object] = {
        "events": [word for words in arguments.events for word in words.split(",") if word],
        "command": command or None,
        "receiver": receiver,
        "url": arguments.ntfy or arguments.webhook,
        "name": arguments.name,
        "cwd": os.getcwd(),
        "sinceMs": None if arguments.since is None else moment_ms(arguments.since),
        "again": arguments.replay,
    }
    with connect(console) as daemon:
        if arguments.thread is not None:
            params["threadId"] = find_thread_id(daemon, arguments.thread)
        hook = daemon.call("hook/add", params, HookAddResponse).hook
    name = one_line(hook.name)
    said = f"{name} runs for {one_line(', '.join(hook.events))}; `codexctl hooks receipts {name}` shows each run"
    console.result({"hook": msgspec.to_builtins(hook)}, said)
    return DONE


def _receiver(arguments: argparse.Namespace) -> str | None:
    chosen = [name for name in ("desktop", "ntfy", "webhook") if getattr(arguments, name)]
    if len(chosen) > 1:
        raise UsageError(
            f"expected one receiver, found {' and '.join(f'--{name}' for name in chosen)}; nothing was added"
        )
    return chosen[0] if chosen else None
