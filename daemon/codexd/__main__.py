"""codexd: reads its arguments, sets up its log, and runs the daemon."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from codexd import __version__
from codexd.machine.log_lines import ENTRY_CHARACTERS_MAX, log_to
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

# sysexits.h: another daemon is there (try again later), a bad argument, the system cannot, others could.
EXIT_TRY_LATER, EXIT_USAGE, EXIT_SYSTEM, EXIT_NOT_OURS = 75, 2, 71, 77


def main(argv: Sequence[str] | None = None) -> int:
    """The command `codexd`; returns its exit code."""
    arguments = _parser().parse_args(argv)
    keep_files_private()
    try:
        paths = default_paths()
        if arguments.print_paths:
            _print_paths(paths)
            return 0
        log_to(sys.stderr, logging.INFO, "%(asctime)s %(levelname)s %(message)s")
        address = socket_address(parse_socket_url(arguments.listen, paths.socket))
    except (UnusablePath, OSError) as problem:
        _say(problem)
        return EXIT_USAGE
    return _serve(paths, address)


def _serve(paths: Paths, address: SocketAddress) -> int:
    gc.disable()  # What is imported stays: to look it through a hundred times is a tenth of the start.
    import trio

    from codexd.app import serve
    from codexd.machine.owners import NotOurs
    from codexd.machine.privacy import keep_memory_private
    from codexd.server.connection.listener import AlreadyServed, NotASocket
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
        trio.run(serve, paths, address, os.environ.copy())
    except* (Locked, AlreadyServed) as problems:
        _say(problems.exceptions[0])
        code = EXIT_TRY_LATER
    except* NotASocket as problems:
        _say(f"{problems.exceptions[0]}; the daemon was not started")
        code = EXIT_USAGE
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
        epilog="$CODEXD_HOME puts everything under one folder; $CODEXD_SOCKET names another socket. "
        "SIGTERM stops it; commands go on, and the next daemon takes them up. `codexctl stop` ends them too.",
    )
    parser.add_argument(
        "--listen",
        metavar="unix://PATH",
        default="unix://",
        help="the socket to answer on (default: codexd.sock in the runtime directory)",
    )
    parser.add_argument(
        "--print-paths", action="store_true", help="print where things are, and end"
    )
    parser.add_argument("--version", action="version", version=f"codexd {__version__}")
    return parser


def _print_paths(paths: Paths) -> None:
    for name in paths.__struct_fields__:
        print(f"{name:12} {visible_line(str(getattr(paths, name)), ENTRY_CHARACTERS_MAX)}")


if __name__ == "__main__":
    sys.exit(main())
