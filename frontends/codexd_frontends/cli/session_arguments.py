"""The arguments of `ps`, `kill` and `type`."""

from __future__ import annotations

from codexd_frontends.cli.argument import Argument

SESSION = Argument("session", metavar="SESSION", help="the number that `codexctl ps` shows")
SOME_SESSION = Argument(
    "session", metavar="SESSION", nargs="?", help="the number that `codexctl ps` shows"
)
ALL_SESSIONS = Argument("--all", action="store_true", help="all of the thread, or all")
TYPED = Argument(
    "text",
    metavar="TEXT",
    nargs="?",
    help="what to type, before the return key; - reads it from stdin",
)
KEYS = (
    Argument("-n", "--no-return", action="store_true", help="do not type the return key"),
    Argument(
        "--secret",
        action="store_true",
        help="ask for the text without showing it; it is recorded nowhere",
    ),
    Argument("--interrupt", action="store_true", help="type Ctrl-C"),
    Argument("--end", action="store_true", help="type Ctrl-D"),
)
