"""The arguments of `restart` and of `service`."""

from __future__ import annotations

from codexd_frontends.cli.argument import Argument, count

RESTART_WAIT_SECONDS_DEFAULT = 20
LOG_LINES_DEFAULT = 50  # a screen

WAIT = Argument(
    "--wait",
    metavar="SECONDS",
    type=count,
    default=RESTART_WAIT_SECONDS_DEFAULT,
    help="how long answers of models may take to come to their ends; what is cut off is asked again "
    f"(default: {RESTART_WAIT_SECONDS_DEFAULT})",
)
PREVIEW = Argument(
    "--dry-run", action="store_true", help="print the files and commands; change nothing"
)
REPLACE = Argument(
    "--force", action="store_true", help="replace units that codexctl has not written"
)
LINES = Argument(
    "--lines",
    "-n",
    metavar="N",
    type=count,
    default=LOG_LINES_DEFAULT,
    help=f"how many of the last lines (default: {LOG_LINES_DEFAULT})",
)
FOLLOW = Argument("--follow", "-f", action="store_true", help="also print new lines, until Ctrl-C")
ABOUT = Argument("--thread", metavar="ID", help="only what is about this thread: its whole id")
