"""codexctl sandbox: a command in the sandbox that a model's commands have."""

from __future__ import annotations

import argparse
import os

from codexd.machine.python_child import python_command
from codexd_frontends.cli.console import Console
from codexd_frontends.client.errors import CommandError
from codexd_frontends.client.exits import Exit


def run(arguments: argparse.Namespace, _console: Console) -> Exit:
    """Become the command, or say why it can't be confined. No daemon is needed.

    Raises: CommandError.
    """
    mode = [] if arguments.sandbox is None else [arguments.sandbox]
    folder = os.path.abspath(arguments.cwd or "")
    program = [*python_command("codexd.sandbox"), folder, *mode, "--", *arguments.command]
    try:
        os.execv(program[0], program)  # noqa: S606 (the command is the person's)
    except OSError as error:
        raise CommandError(f"the sandbox could not be started: {error}") from error
