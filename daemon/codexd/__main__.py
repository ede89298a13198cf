"""codexd: reads its arguments, sets up its log, and runs the daemon."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from codexd import __version__
from codexd.machine.log_lines import ENTRY_CHARACTERS_MAX, log_to, log_with
from codexd.machine.paths import (
    Paths,
    SocketAddress,
    UnusablePath,
    default_paths,
    parse_socket_url,
    socket_address,
)
from codexd.machine.umask import keep_files_private
from codexd.protocol.display.visible import visible_line
from codexd.service.journal import JournalHandler, is_journal
from codexd.service.manager import Begun, Manager, take_variables

if TYPE_CHECKING:
    from codexd.config.layers.stack import Sources

# sysexits.h: another daemon is there (try again later), a bad argument, the system cannot, others could.
EXIT_TRY_LATER, EXIT_USAGE, EXIT_SYSTEM, EXIT_NOT_OURS = 75, 2, 71, 77
# What a person has set up wrongly: a service manager is not to try again.
EXIT_CONFIG = 78
# A model's longest answers take minutes, and a manager that stops a service waits for less.
DRAIN_SECONDS_MAX = 600.0
LAYOUT = "%(asctime)s %(levelname)s %(message)s"


def main(argv: Sequence[str] | None = None) -> int:
    """The command `codexd`; returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["schema"]:
        from codexd.protocol.schema.command import main as write_schema

        return write_schema(words[1:], __version__)
    arguments = _parser().parse_args(words)
    keep_files_private()
    try:
        paths = default_paths()
        if arguments.print_paths:
            _print_paths(paths)
            return 0
        variables = take_variables(os.environ)
        reopen_log = _open_log(arguments.log, variables.get("JOURNAL_STREAM", ""))
        address = socket_address(parse_socket_url(arguments.listen, paths.socket))
    except (UnusablePath, OSError) as problem:
        _say(problem)
        return EXIT_USAGE
    begun = Begun(Manager(variables), arguments.drain, reopen_log)
    try:
        sources = _sources(arguments)
    except ValueError as problem:
        _say(f"{problem}; the daemon was not started")
        return EXIT_USAGE
    return _serve(paths, address, begun, sources)


def _sources(arguments: argparse.Namespace) -> Sources:
    """The settings of the command line. Raises: ValueError."""
    from codexd.config.layers.flags import flags_table
    from codexd.config.layers.layer import merged_tables
    from codexd.config.layers.stack import Sources, checked_profile

    flags, profile = flags_table(arguments.config), checked_profile(arguments.profile)
    if arguments.codex_home is not None:
        flags = merged_tables(flags, {"codex_home": arguments.codex_home})
    return Sources(profile=profile, flags=flags, strict=arguments.strict_config)


def _open_log(path: str | None, journal: str) -> Callable[[], None]:
    """Begin the log: in a file, the journal or stderr. Returns how it is opened again. Raises: OSError."""
    if path is not None:
        from codexd.service.log_file import LogFile

        file = LogFile(Path(path).expanduser().absolute())
        log_with(file, logging.INFO, LAYOUT)
        return file.reopen
    if is_journal(2, journal):
        log_with(JournalHandler(), logging.INFO, "%(message)s")
    else:
        log_to(sys.stderr, logging.INFO, LAYOUT)
    return lambda: None


# Longer than the habit: each way to fail has its code, and its own words.
def _serve(paths: Paths, address: SocketAddress, begun: Begun, sources: Sources) -> int:
    gc.disable()  # What is imported stays: to look it through a hundred times is a tenth of the start.
    import trio

    from codexd.machine.owners import NotOurs
    from codexd.machine.privacy import keep_memory_private
    from codexd.server.connection.listener import AlreadyServed, NotASocket
    from codexd.service.passed_sockets import UnusableSocket
    from codexd.serving import serve
    from codexd_eventstore.log.committer import SWITCH_SECONDS
    from codexd_eventstore.store import Locked, StoreError

    # Whose folder we were started in is nothing to us: it can be removed, unmounted, or full of traps.
    os.chdir("/")
    if "CODEXD_HOME" in os.environ:  # Commands, whose folder is another, must find the same home.
        os.environ["CODEXD_HOME"] = str(paths.data_dir)
    sys.setswitchinterval(SWITCH_SECONDS)
    keep_memory_private()
    code = 0
    try:
        passed = trio.run(serve, paths, address, os.environ.copy(), begun, sources)
        if passed is not None:
            from codexd.service.in_place import begin_again

            begin_again([sys.executable, *sys.orig_argv[1:]], begun.manager.variables, passed)
    except* (Locked, AlreadyServed) as problems:
        _say(problems.exceptions[0])
        code = EXIT_TRY_LATER
    except* NotASocket as problems:
        _say(f"{problems.exceptions[0]}; the daemon was not started")
        code = EXIT_USAGE
    except* UnusableSocket as problems:
        _say(f"{problems.exceptions[0]}; the daemon was not started")
        code = EXIT_CONFIG
    except* NotOurs as problems:
        print(f"codexd: {problems.exceptions[0]}; the daemon was not started", file=sys.stderr)
        code = EXIT_NOT_OURS
    except* (StoreError, OSError) as problems:
        _say(f"{problems.exceptions[0]}; the daemon was not started")
        code = EXIT_SYSTEM
    return code


def _say(problem: object) -> None:
    print(f"codexd: {visible_line(str(problem), ENTRY_CHARACTERS_MAX)}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """argparse, except that arguments in messages are drawn as foreign text."""

    def error(self, message: str) -> NoReturn:
        super().error(visible_line(message, ENTRY_CHARACTERS_MAX))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="codexd",
        description="The daemon that owns coding-agent conversations. It runs in the foreground; "
        "codexctl starts it by itself when none runs.",
        epilog="`codexd schema --help` tells how to write the types of the protocol to files.\n\n"
        "$CODEXD_HOME puts everything under one folder; $CODEXD_SOCKET names another socket. "
        "SIGTERM stops it; commands go on, and the next daemon takes them up. `codexctl stop` ends them too. "
        "SIGHUP has it read its configuration and open its log again.\n\n"
        "Exit codes: 0 stopped; 2 wrong arguments; 71 the system or the store failed; 75 another daemon runs; "
        "77 others may change its files; 78 a service manager passed something else than a socket.",
    )
    parser.add_argument(
        "--listen",
        metavar="unix://PATH",
        default="unix://",
        help="the socket to answer on (default: codexd.sock in the runtime directory)",
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="write the log to this file, and keep some older ones beside it (default: stderr, or the journal "
        "where stderr leads to it)",
    )
    parser.add_argument(
        "--drain",
        metavar="SECONDS",
        type=_seconds,
        default=0.0,
        help="after SIGTERM, let answers of models come to their ends for so long; a second SIGTERM stops at once "
        "(default: 0)",
    )
    _add_settings(parser)
    parser.add_argument(
        "--print-paths", action="store_true", help="print where things are, and end"
    )
    parser.add_argument("--version", action="version", version=f"codexd {__version__}")
    return parser


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 <= seconds <= DRAIN_SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"expected 0 to {DRAIN_SECONDS_MAX:g}, found {word}")
    return seconds


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """The arguments that are settings."""
    parser.add_argument(
        "--codex-home",
        metavar="DIR",
        nargs="?",
        type=lambda word: str(Path(word).expanduser().absolute()),
        const=True,
        help="let plain `codex` use this daemon, by a symlink in this Codex home, where it looks for a server of its "
        "own (default DIR: $CODEX_HOME, else ~/.codex); the same as the setting codex_home",
    )
    parser.add_argument(
        "-c",
        "--config",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a setting that counts before those of all files, e.g. -c model_reasoning_effort=low; the value is "
        "TOML, or else a text",
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="use NAME.config.toml beside config.toml as well"
    )
    parser.add_argument(
        "--strict-config",
        action="store_true",
        help="refuse config files with keys that nobody knows, instead of warning",
    )


def _print_paths(paths: Paths) -> None:
    for name in paths.__struct_fields__:
        print(f"{name:12} {visible_line(str(getattr(paths, name)), ENTRY_CHARACTERS_MAX)}")


if __name__ == "__main__":
    sys.exit(main())
