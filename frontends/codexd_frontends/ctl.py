"""codexctl: the table of subcommands, the parser, and the exit code.

Each row names a module of `codexd_frontends.commands`, which is imported only when its row is chosen, so a
subcommand imports only what it needs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from codexd_frontends.cli.arguments import (
    APPROVAL,
    ARCHIVED,
    AT_RECORD,
    AT_TURN,
    DAYS,
    DETACH_CHILDREN,
    DRY_RUN,
    FOLLOW_LOG,
    FORCE,
    FROM,
    INSTRUCTIONS,
    JSON,
    KIND,
    KNOWN,
    LAST_OR_THREAD,
    LIST_LIMIT,
    NAME,
    NO_INPUT,
    NOW,
    OUTPUT,
    PATHS,
    PATTERNS,
    PINNED,
    PREVIEW,
    PROMPT,
    REASONING,
    REVIEWED,
    SALVAGE,
    SEARCH,
    SEARCH_LIMIT,
    SEND_OPTIONS,
    SEQS,
    SOME_THREAD,
    SOME_THREADS,
    SWEEP,
    TERMS,
    THREAD,
    TO_TURN,
    TURNS,
    TURNS_ON_ATTACH,
    UNDO_COMPACTION,
    UNDO_REVERT,
    UNPINNED,
    VERDICTS,
    WHY,
    YES,
    Argument,
)
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
from codexd_frontends.screen.drawn import MESSAGE_CHARACTERS_MAX, indented, one_line


class Subcommand(NamedTuple):
    """One row of the table."""

    name: str
    help: str
    arguments: tuple[Argument, ...]
    module: str  # of codexd_frontends.commands
    may_start: bool = True  # whether it starts the daemon when none runs
    typed: str = ""  # what is typed while it runs, for its help


SUBCOMMANDS = (
    Subcommand("send", "send a prompt and stream its turn", (*SEND_OPTIONS, PROMPT), "send"),
    Subcommand(
        "attach",
        "follow a thread in a terminal: its last turns, then everything that happens",
        (THREAD, TURNS_ON_ATTACH, REASONING, NO_INPUT, JSON),
        "attach",
        typed="A typed line is a prompt, or steers the turn that runs; three lines are commands:\n"
        "  /image FILE  send an image with the next prompt\n"
        "  /interrupt   interrupt the running turn\n"
        "  /quit        leave; the thread goes on\n\n",
    ),
    Subcommand("list", "list threads", (ARCHIVED, LIST_LIMIT, SEARCH, JSON), "list"),
    Subcommand(
        "search",
        "find threads by their text",
        (TERMS, SEARCH_LIMIT, ARCHIVED, KIND, JSON),
        "search",
    ),
    Subcommand(
        "show",
        "show the turns of a thread",
        (THREAD, TURNS, AT_RECORD, INSTRUCTIONS, REASONING, JSON),
        "show",
    ),
    Subcommand("log", "show the raw records of a thread", (THREAD, FROM, FOLLOW_LOG, JSON), "log"),
    Subcommand(
        "usage",
        "show the tokens that threads have used, their cost, and why a cache was missed",
        (SOME_THREAD, DAYS, WHY, JSON),
        "usage",
    ),
    Subcommand("fork", "start a new thread from an old one", (THREAD, AT_TURN, JSON), "fork"),
    Subcommand("archive", "put a thread into the archive", (THREAD, JSON), "archive"),
    Subcommand("unarchive", "take a thread out of the archive", (THREAD, JSON), "unarchive"),
    Subcommand(
        "export",
        "write a thread to a file, to import it elsewhere",
        (THREAD, OUTPUT, FORCE, JSON),
        "export",
    ),
    Subcommand(
        "import",
        "import exported threads, or threads of Codex",
        (PATHS, DRY_RUN, JSON),
        "import_",
    ),
    Subcommand(
        "scrub",
        "remove secrets and other text from a thread and its forks",
        (THREAD, PATTERNS, SEQS, KNOWN, DRY_RUN, JSON),
        "scrub",
    ),
    Subcommand(
        "delete", "delete a thread permanently", (THREAD, DETACH_CHILDREN, YES, JSON), "delete"
    ),
    Subcommand(
        "fsck",
        "check that stored threads and outputs are undamaged",
        (SOME_THREADS, SALVAGE, SWEEP, JSON),
        "fsck",
    ),
    Subcommand(
        "revert",
        "take back the last turns, or bring them back; files on the disk are not changed",
        (LAST_OR_THREAD, TO_TURN, UNDO_REVERT, JSON),
        "revert",
    ),
    Subcommand(
        "compact",
        "shorten the history that the model is sent, preview that, or undo it",
        (LAST_OR_THREAD, PREVIEW, UNDO_COMPACTION, JSON),
        "compact",
    ),
    Subcommand(
        "pin", "keep a record in every compaction of a thread", (THREAD, PINNED, JSON), "pin"
    ),
    Subcommand("unpin", "remove the pin of a record", (THREAD, UNPINNED, JSON), "pin"),
    Subcommand(
        "review",
        "have a model review changes without the conversation",
        (*REVIEWED, JSON),
        "review",
    ),
    Subcommand("rename", "give a thread a name", (THREAD, NAME, JSON), "rename"),
    Subcommand("interrupt", "interrupt the running turn", (THREAD, JSON), "interrupt"),
    Subcommand(
        "approve",
        "show the approval that a thread waits for, and answer it",
        (THREAD, APPROVAL, *VERDICTS, JSON),
        "approve",
    ),
    Subcommand("status", "show whether the daemon runs", (JSON,), "status", may_start=False),
    Subcommand("start", "start the daemon", (JSON,), "start"),
    Subcommand("stop", "stop the daemon", (NOW, JSON), "stop", may_start=False),
    Subcommand(
        "paths", "show the paths of all files and folders", (JSON,), "paths", may_start=False
    ),
    Subcommand(
        "app-server", "copy stdin and stdout to the daemon, for IDEs and SDKs", (), "app_server"
    ),
)


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


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
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
    for row in SUBCOMMANDS:
        below = rows.add_parser(
            row.name,
            help=row.help,
            description=f"{row.help[0].upper()}{row.help[1:]}.",
            parents=[shared],
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=row.typed + exit_table(),
        )
        for argument in row.arguments:
            argument.add_to(below)
        below.set_defaults(row=row)
    return parser


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
    prepare_streams()
    try:
        return _run_somewhere(words).number
    except CommandError as trouble:
        as_json = "--json" in words and not isinstance(trouble, OutputFailed)
        _report(trouble, as_json=as_json)
        return trouble.exit.number
    except BrokenPipeError:
        close_stream(sys.stdout)
        return OUTPUT_CLOSED.number
    except KeyboardInterrupt:
        return LEFT.number


def _run_somewhere(words: Sequence[str]) -> Exit:
    """Run a command; raises UsageError if it needs the working directory and that was removed."""
    try:
        return _run(words)
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
    arguments = build_parser().parse_args(words)
    read_words(arguments)
    row: Subcommand = arguments.row
    from codexd_frontends.cli.start import default_socket_path

    console = Console(
        socket_path=os.path.abspath(arguments.socket or default_socket_path()),
        color=arguments.color or "auto",
        json=getattr(arguments, "json", False),
        may_start=row.may_start,
    )
    run = importlib.import_module(f"codexd_frontends.commands.{row.module}").run
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
