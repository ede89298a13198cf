"""codexctl service: run the daemon under systemd or launchd, look at it, and read its log."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import daemon_log_path, running_daemon
from codexd_frontends.client.errors import CommandError, UsageError
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.client.process import stop_process
from codexd_frontends.commands.service_logs import show_log
from codexd_frontends.commands.stop import SECONDS_MAX, mark_stopped
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.service.choice import serving_manager, this_manager
from codexd_frontends.service.manager import Manager
from codexd_frontends.service.programs import write_unit
from codexd_frontends.service.units import is_ours


class ServiceFailed(CommandError):
    """The manager did not do what it was told."""


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Do what the word after `service` says."""
    match arguments.action:
        case "install":
            return _install(arguments, console)
        case "uninstall":
            return _uninstall(arguments, console)
        case "status":
            return _status(console)
        case _:
            return _logs(arguments, console)


def _install(arguments: argparse.Namespace, console: Console) -> Exit:
    manager = this_manager()
    if not arguments.dry_run:
        manager.check()
    files = manager.files()
    foreign = [path for path in files if path.exists() and not is_ours(path)]
    if foreign and not arguments.force:
        raise UsageError(
            f"{foreign[0]} was not written by codexctl: remove it, or replace it with --force; nothing was done"
        )
    if arguments.dry_run:
        _print_plan(manager, files, console)
        return DONE
    # Terminals that are attached wait for the service, and start no daemon of their own.
    mark_stopped(console)
    for words in manager.stop_commands():
        manager.run(words)  # It fails where nothing is loaded.
    other = running_daemon(console.socket_path)
    if other is not None and not stop_process(other, seconds=SECONDS_MAX):
        raise ServiceFailed(
            f"process {other}, the daemon that runs, has not ended within {SECONDS_MAX:g} s; nothing was installed"
        )
    # launchd makes no folders for its sockets.
    os.makedirs(os.path.dirname(console.socket_path), mode=0o700, exist_ok=True)
    for path, content in files.items():
        write_unit(path, content)
    _run_all(manager, manager.install_commands())
    said = [f"{manager.name} runs the daemon now", *(f"  {path}" for path in files)]
    advice = manager.advice()
    console.result(
        {"installed": True, "files": [str(path) for path in files], "advice": list(advice)},
        *said,
        *advice,
    )
    return DONE


def _print_plan(manager: Manager, files: Mapping[Path, bytes], console: Console) -> None:
    for path, content in files.items():
        console.answer(f"# would write {path}:")
        console.answers(content.decode().splitlines())
    console.answer("# and run:")
    for words in (*manager.stop_commands(), *manager.install_commands()):
        console.answer(shlex.join(words))


def _uninstall(arguments: argparse.Namespace, console: Console) -> Exit:
    manager = this_manager()
    ours = [path for path in manager.files() if is_ours(path)]
    if not ours:
        raise UsageError("no service that codexctl has installed was found; nothing was done")
    if arguments.dry_run:
        for words in manager.stop_commands():
            console.answer(shlex.join(words))
        for path in ours:
            console.answer(f"# would remove {path}")
        return DONE
    for words in manager.stop_commands():
        manager.run(words)
    removed = manager.removed_commands()
    for words in removed[:1]:  # It finds the links to remove by the files.
        manager.run(words)
    for path in ours:
        path.unlink(missing_ok=True)
    _run_all(manager, removed[1:])
    console.result(
        {"installed": False, "removed": [str(path) for path in ours]},
        *(f"removed {path}" for path in ours),
        "threads and settings stay; the next codexctl starts the daemon by itself, and goes on with what was unfinished",
    )
    return DONE


def _run_all(manager: Manager, commands: Sequence[Sequence[str]]) -> None:
    for words in commands:
        done = manager.run(words)
        if done.code:
            said = one_line(done.complaint or done.out or f"code {done.code}", 500)
            raise ServiceFailed(
                f"`{shlex.join(words)}` failed: {said}; `codexctl service logs` may say why"
            )


def _status(console: Console) -> Exit:
    manager = this_manager()
    state = manager.state()
    running = running_daemon(console.socket_path)
    advice = [*manager.advice()] if state.installed else ["codexctl service install"]
    if state.stale:
        advice = [f"{state.stale}; write it again: codexctl service install", *advice]
    members = {
        "manager": manager.name,
        "installed": state.installed,
        "active": state.active,
        "pid": state.pid,
        "state": state.says,
        "socket": state.listens,
        "daemon": running,
        "advice": advice,
    }
    lines = [
        f"{manager.name}: {'installed' if state.installed else 'not installed'}",
        f"  service  {one_line(state.says, 500)}",
        f"  socket   {'a connection starts the daemon' if state.listens else 'not bound by the manager'}",
    ]
    if running is not None and running != state.pid:
        lines.append(f"  daemon   process {running}, which {manager.name} did not start")
    console.result(members, *lines, *advice)
    return DONE if state.installed and state.active else FAILED


def _logs(arguments: argparse.Namespace, console: Console) -> Exit:
    manager = serving_manager(console.socket_path)
    words = None
    if manager is not None:
        words = manager.logs_command(
            arguments.lines, follow=arguments.follow, thread=arguments.thread
        )
    if words is None:
        return show_log(
            daemon_log_path(),
            arguments.lines,
            console,
            follow=arguments.follow,
            only=arguments.thread,
        )
    sys.stdout.flush()
    return _become(words)


def _become(words: Sequence[str]) -> NoReturn:
    try:
        os.execvp(words[0], list(words))  # noqa: S606  # the log's own program
    except OSError as error:
        raise ServiceFailed(f"{words[0]} cannot be started: {error.strerror}") from error
