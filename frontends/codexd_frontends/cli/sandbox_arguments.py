"""The arguments that say where a command runs and what it may change."""

from __future__ import annotations

from codexd_frontends.cli.argument import Argument

SANDBOX = Argument(
    "-s",
    "--sandbox",
    choices=("read-only", "workspace-write", "danger-full-access"),
    help="what commands may change",
)
FOLDER = Argument("-C", "--cd", dest="cwd", metavar="DIR", help="the directory to work in")
SHELL = Argument(
    "--shell",
    action="store_true",
    help="PROMPT is a shell line: it runs in the thread as you, outside of any sandbox, beside a turn that runs; the "
    "model is told of it",
)
PROGRAM = Argument(
    "command", metavar="COMMAND", nargs="+", help="a program and its arguments, after `--`"
)
