"""codexctl: the table of subcommands, the parser, and the exit code.

Each row names a module of `codexd_frontends.commands`, which is imported only when its row is chosen, so a
subcommand imports only what it needs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from codexd.machine.paths import UnusablePath
from codexd_frontends import session_arguments as session
from codexd_frontends.cli import arguments as arg
from codexd_frontends.cli.argument import Argument
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.sandbox_arguments import FOLDER, PROGRAM, SANDBOX
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
from codexd_frontends.screen.drawn import MESSAGE_CHARACTERS_MAX, indented, one_line


class Subcommand(NamedTuple):
    """One row of the table."""

    name: str
    help: str
    arguments: tuple[Argument, ...]
    module: str = ""  # of codexd_frontends.commands; as the subcommand where it is not named here
    may_start: bool = True  # whether it starts the daemon when none runs
    typed: str = ""  # what is typed while it runs, for its help
    below: tuple[
        Subcommand, ...
    ] = ()  # one of these follows; `module` runs them, by `arguments.action`


SUBCOMMANDS = (
    Subcommand("send", "send a prompt and stream its turn", (*arg.SEND_OPTIONS, arg.PROMPT)),
    Subcommand(
        "attach",
        "follow a thread in a terminal: its last turns, then everything that happens",
        (arg.THREAD, arg.TURNS_ON_ATTACH, arg.REASONING, arg.NO_INPUT, arg.JSON),
        typed="A typed line is a prompt, or steers the turn that runs; three lines are commands:\n"
        "  /image FILE  send an image with the next prompt\n"
        "  /interrupt   interrupt the running turn\n"
        "  /quit        leave; the thread continues\n"
        "While an approval is asked for, y, a, n or c answers it.\n"
        "Ctrl-C interrupts the running turn, a second Ctrl-C leaves, and Ctrl-D leaves at once.\n\n",
    ),
    Subcommand("list", "list threads", (arg.ARCHIVED, arg.LIST_LIMIT, arg.SEARCH, arg.JSON)),
    Subcommand(
        "search",
        "find threads by their text",
        (arg.TERMS, arg.SEARCH_LIMIT, arg.ARCHIVED, arg.KIND, arg.JSON),
    ),
    Subcommand(
        "show",
        "show the turns of a thread",
        (
            arg.THREAD,
            arg.TURNS,
            arg.AT_RECORD,
            arg.INSTRUCTIONS,
            arg.REASONING,
            arg.FULL,
            arg.ITEM,
            arg.RAW,
            arg.JSON,
        ),
    ),
    Subcommand(
        "log", "show the raw records of a thread", (arg.THREAD, arg.FROM, arg.FOLLOW_LOG, arg.JSON)
    ),
    Subcommand(
        "usage",
        "show the tokens that threads have used, their cost, and why a cache was missed",
        (arg.SOME_THREAD, arg.DAYS, arg.WHY, arg.JSON),
    ),
    Subcommand(
        "fork", "start a new thread from an old thread", (arg.THREAD, arg.AT_TURN, arg.JSON)
    ),
    Subcommand("archive", "put a thread into the archive", (arg.THREAD, arg.JSON)),
    Subcommand("unarchive", "take a thread out of the archive", (arg.THREAD, arg.JSON), "archive"),
    Subcommand(
        "export",
        "write a thread to a file, to import it elsewhere",
        (arg.THREAD, arg.OUTPUT, arg.FORCE, arg.JSON),
    ),
    Subcommand(
        "import",
        "import exported threads, or threads of Codex",
        (arg.PATHS, arg.DRY_RUN, arg.JSON),
        "import_",
    ),
    Subcommand(
        "scrub",
        "remove secrets and other text from a thread and its forks",
        (arg.THREAD, arg.PATTERNS, arg.SEQS, arg.KNOWN, arg.DRY_RUN, arg.JSON),
    ),
    Subcommand(
        "delete",
        "delete a thread permanently",
        (arg.THREAD, arg.DETACH_CHILDREN, arg.YES, arg.JSON),
    ),
    Subcommand(
        "fsck",
        "check that stored threads and outputs are undamaged",
        (arg.SOME_THREADS, arg.SALVAGE, arg.SWEEP, arg.JSON),
    ),
    Subcommand(
        "revert",
        "revert the last turns, or restore reverted turns; files on the disk are not changed",
        (arg.LAST_OR_THREAD, arg.TO_TURN, arg.UNDO_REVERT, arg.JSON),
    ),
    Subcommand(
        "compact",
        "shorten the history that the model is sent, preview that, or undo it",
        (arg.LAST_OR_THREAD, arg.PREVIEW, arg.UNDO_COMPACTION, arg.JSON),
    ),
    Subcommand(
        "pin", "keep a record in every compaction of a thread", (arg.THREAD, arg.PINNED, arg.JSON)
    ),
    Subcommand("unpin", "remove the pin of a record", (arg.THREAD, arg.UNPINNED, arg.JSON), "pin"),
    Subcommand(
        "review",
        "have a model review changes without the conversation",
        (*arg.REVIEWED, arg.JSON),
    ),
    Subcommand("rename", "give a thread a name", (arg.THREAD, arg.NAME, arg.JSON)),
    Subcommand("interrupt", "interrupt the running turn", (arg.THREAD, arg.JSON)),
    Subcommand("ps", "list the commands and sessions that run", (arg.SOME_THREAD, arg.JSON)),
    Subcommand("kill", "end a session, or all", (arg.SOME_THREAD, *session.ENDED, arg.JSON)),
    Subcommand("type", "type into a session", (*session.TYPED, arg.JSON), "type_"),
    Subcommand(
        "approve",
        "show the approval that a thread waits for, and answer it",
        (arg.THREAD, arg.APPROVAL, *arg.VERDICTS, arg.JSON),
    ),
    Subcommand(
        "policy",
        "say which commands of the model run, are asked about or refused, and why",
        (),
        below=(
            Subcommand(
                "check",
                "say what would happen to a command, by which rule or reason; it is not run",
                (arg.OF_THREAD, arg.CWD, arg.ESCALATED, arg.JSON, arg.COMMAND),
            ),
            Subcommand(
                "list",
                "show the rules for commands, and what is allowed for the rest of a thread",
                (arg.SOME_THREAD, arg.JSON),
            ),
            Subcommand(
                "revoke",
                "ask again about what was allowed for the rest of a thread",
                (arg.THREAD, arg.GRANTS, arg.ALL_GRANTS, arg.JSON),
            ),
        ),
    ),
    Subcommand(
        "mcp",
        "list, add, remove and log in to MCP servers",
        (),
        below=(
            Subcommand("list", "list the servers and their states; none is started", (arg.JSON,)),
            Subcommand("get", "start a server, and show what it offers", (arg.SERVER, arg.JSON)),
            Subcommand(
                "add",
                "add a server to config.toml: a command after `--`, or an address",
                (arg.SERVER, *arg.NEW_SERVER, arg.JSON),
            ),
            Subcommand("remove", "remove a server from config.toml", (arg.SERVER, arg.JSON)),
            Subcommand(
                "login",
                "log in at a server over HTTP, in a browser",
                (arg.SERVER, arg.SCOPES, arg.NO_BROWSER, arg.JSON),
            ),
            Subcommand("logout", "forget the login at a server", (arg.SERVER, arg.JSON)),
        ),
    ),
    Subcommand(
        "sandbox",
        "run a command as a model's commands run: in the sandbox of config.toml, or of a mode",
        (SANDBOX, FOLDER, PROGRAM),
        may_start=False,
    ),
    Subcommand("status", "show whether the daemon runs", (arg.JSON,), may_start=False),
    Subcommand("start", "start the daemon", (arg.JSON,)),
    Subcommand("stop", "stop the daemon", (arg.NOW, arg.JSON), may_start=False),
    Subcommand("paths", "show the paths of all files and folders", (arg.JSON,), may_start=False),
    Subcommand(
        "app-server", "copy stdin and stdout to the daemon, for IDEs and SDKs", (), "app_server"
    ),
)


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
        below = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
        for lower in row.below:
            _add_row(below, lower, top, shared)


def _apart(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The words of `codexctl mcp add`, and the command after `--`: argparse gives words after an option to nobody."""
    if "--" not in words or not {"mcp", "add"} <= set(words[: words.index("--")]):
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
    try:
        return _run_somewhere(words)
    except CommandError as trouble:
        try:
            _report(trouble, as_json="--json" in words and not isinstance(trouble, OutputFailed))
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
