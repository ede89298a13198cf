"""codexctl: the parser, the command that it finds, and the exit code.

Each row of `subcommands` names a module of `codexd_frontends.commands`, which is imported only when its row is
chosen, so a subcommand imports only what it needs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from codexd.machine.paths import UnusablePath
from codexd_frontends.cli.argument import options_first
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.streams import (
    OutputFailed,
    close_stream,
    prepare_streams,
    talk_on_stderr,
    write_text,
    writing_stdout,
)
from codexd_frontends.cli.utf8 import read_words
from codexd_frontends.client.errors import CommandError, RequestRefused, UsageError
from codexd_frontends.client.exits import LEFT, OUTPUT_CLOSED, Exit, exit_table
from codexd_frontends.config_arguments import CONFIG_OPTIONS, CONFIG_SWITCHES
from codexd_frontends.screen.drawn import MESSAGE_CHARACTERS_MAX, indented, one_line
from codexd_frontends.subcommands import SUBCOMMANDS, Subcommand

# Those of `_add_shared`: each takes a value, and may stand before the subcommand.
SHARED_OPTIONS = ("--socket", "--color")


class _Parser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}")

    def print_help(self, file: Any = None) -> None:
        with writing_stdout():
            write_text(sys.stdout, self.format_help())


class _Version(argparse.Action):
    """--version: prints the versions of codexctl and of the daemon, if it runs."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from codexd_frontends.commands.status import version_lines

        with writing_stdout():
            write_text(sys.stdout, "\n".join([*version_lines(), ""]))
        parser.exit()


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of these words; of the whole command line where they name no subcommand.

    To build the parsers of all subcommands takes 5 ms, ten times as long as to build the one that is used.
    """
    shared = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    _add_shared(shared)
    parser = _Parser(
        prog="codexctl",
        description="Work with the threads of a coding agent; the daemon that owns them is started when needed.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=exit_table(),
    )
    _add_shared(parser)
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the versions of codexctl and the daemon"
    )
    rows = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for row in _rows_of(words):
        _add_row(rows, row, row, shared)
    return parser


def _add_row(rows: Any, row: Subcommand, top: Subcommand, shared: argparse.ArgumentParser) -> None:
    """Add the parser of a row, and of the rows below it."""
    parser = rows.add_parser(
        row.name,
        help=row.help,
        description=f"{row.help[0].upper()}{row.help[1:]}.",
        parents=[shared],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=row.typed + exit_table(),
    )
    for argument in row.arguments:
        argument.add_to(parser)
    parser.set_defaults(row=top)
    if row.below:
        below = parser.add_subparsers(dest="action", metavar="COMMAND", required=not row.otherwise)
        for lower in row.below:
            _add_row(below, lower, top, shared)
        parser.set_defaults(action=row.otherwise or None)


def _apart(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The words of a subcommand, and the command after `--`: argparse gives words after an option to nobody."""
    before = words[: words.index("--")] if "--" in words else ()
    rows = _rows_of(before)
    if not before or len(rows) > 1 or rows[0].name not in ("mcp", "on"):
        return words, ()
    return words[: words.index("--")], words[words.index("--") + 1 :]


def _rows_of(words: Sequence[str]) -> Sequence[Subcommand]:
    """The row of the subcommand that these words name; all rows where the words are to be refused or ask for help."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            return [row for row in SUBCOMMANDS if row.name == word] or SUBCOMMANDS
        if word in SHARED_OPTIONS:
            next(rest, None)
        elif not word.startswith(tuple(f"{option}=" for option in SHARED_OPTIONS)):
            break
    return SUBCOMMANDS


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--socket", metavar="PATH", help="where the daemon listens (default: $CODEXD_SOCKET)"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), help="whether to use colour (default: auto)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run codexctl; returns its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    prepare_streams()
    try:
        return _end(words).number
    except BrokenPipeError:
        close_stream(sys.stdout)
        return OUTPUT_CLOSED.number
    except KeyboardInterrupt:
        return LEFT.number


def _end(words: Sequence[str]) -> Exit:
    """Run a command, and report the error that ends it."""
    words = _in_order(words)
    try:
        return _run_somewhere(words)
    except CommandError as trouble:
        # The lines of `exec` are events, of which an error of the command line is none.
        as_json = (
            "--json" in words and not isinstance(trouble, OutputFailed) and not _is_exec(words)
        )
        try:
            _report(trouble, as_json=as_json)
        except OutputFailed as unwritten:
            _report(unwritten, as_json=False)
            return unwritten.exit
        return trouble.exit


def _run_somewhere(words: Sequence[str]) -> Exit:
    """Run a command; raises UsageError if it needs the working directory and that was removed."""
    try:
        return _run(words)
    except UnusablePath as problem:
        raise UsageError(str(problem)) from problem
    except FileNotFoundError:
        try:
            os.getcwd()
        except FileNotFoundError:
            raise UsageError(
                "the working directory is gone: expected absolute paths, found one relative to it; "
                "nothing was done"
            ) from None
        raise


def _in_order(words: Sequence[str]) -> Sequence[str]:
    """The words in an order that can be read: some clients write settings before the name of the subcommand.

    The options of `exec` may stand anywhere between its other words, as they do in Codex.
    """
    at = 0
    while at < len(words) and words[at].split("=")[0] in CONFIG_OPTIONS:
        takes_more = words[at].startswith("--") and "=" in words[at]
        at += 1 if takes_more or words[at] in CONFIG_SWITCHES else 2
    if 0 < at < len(words) and words[at] in ("app-server", "exec"):
        words = [words[at], *words[:at], *words[at + 1 :]]
    if not _is_exec(words):
        return words
    (row,) = _rows_of(words)
    start = words.index("exec") + 1
    return [*words[:start], *options_first(words[start:], row.arguments, SHARED_OPTIONS)]


def _is_exec(words: Sequence[str]) -> bool:
    """Whether words that are in order name `exec`."""
    return [row.name for row in _rows_of(words)] == ["exec"]


def _run(words: Sequence[str]) -> Exit:
    own, command = _apart(words)
    arguments = build_parser(own).parse_args(own)
    arguments.server_command = command
    read_words(arguments)
    row: Subcommand = arguments.row
    from codexd_frontends.cli.start import default_socket_path

    console = Console(
        socket_path=os.path.abspath(arguments.socket or default_socket_path()),
        color=arguments.color or "auto",
        json=getattr(arguments, "json", False),
        may_start=row.may_start,
    )
    run = importlib.import_module(f"codexd_frontends.commands.{row.module or row.name}").run
    ended: Exit = run(arguments, console)
    return ended


def _report(trouble: CommandError, *, as_json: bool) -> None:
    """Print an error: on stderr, or on stdout if it is JSON."""
    if not as_json:
        is_foreign = isinstance(trouble, RequestRefused)
        message = (
            one_line(str(trouble), MESSAGE_CHARACTERS_MAX) if is_foreign else indented(str(trouble))
        )
        talk_on_stderr(f"codexctl: {message}\n")
        return
    import msgspec

    from codexd_frontends.cli.console import SCHEMA, write_json

    error: dict[str, object] = {"code": trouble.exit.word, "message": str(trouble)}
    if isinstance(trouble, RequestRefused) and trouble.reason is not None:
        error["reason"] = trouble.reason
    write_json(msgspec.json.encode({"schema": SCHEMA, "error": error}))


if __name__ == "__main__":
    sys.exit(main())
