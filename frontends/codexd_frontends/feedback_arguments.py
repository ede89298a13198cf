"""The arguments of `codexctl feedback`."""

from __future__ import annotations

from typing import Final

from codexd_frontends.cli.argument import Argument
from codexd_frontends.cli.arguments import JSON

FEEDBACK: Final = (
    Argument(
        "thread",
        metavar="THREAD",
        nargs="?",
        help="the thread that it is about: an id, the beginning of one, or a name (default: none)",
    ),
    Argument(
        "--classification",
        metavar="KIND",
        default="bug",
        help="bug (the default), bad_result, good_result, over_refusal_safety_classifier or other",
    ),
    Argument("--reason", metavar="TEXT", help="what happened, in your words"),
    Argument(
        "--no-logs",
        action="store_true",
        help="leave out the daemon's log, the thread's log and the settings",
    ),
    Argument(
        "--save", metavar="FILE", group="report", help="write it to a new file, a ZIP archive"
    ),
    Argument(
        "--send",
        action="store_true",
        group="report",
        help="send it to `endpoint` in the table [feedback] of config.toml, after a question",
    ),
    Argument("--yes", action="store_true", help="send it without a question"),
    JSON,
)
