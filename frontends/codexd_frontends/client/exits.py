"""The exit codes of `codexctl`: one table, printed by --help; JSON errors have its words.

The numbers from 64 on are from sysexits.h, those from 128 on are the shell's (128 + signal).
"""

from __future__ import annotations

from typing import NamedTuple


class Exit(NamedTuple):
    """One way to end."""

    number: int
    word: str  # the `code` of an error in JSON
    meaning: str


DONE = Exit(0, "done", "done")
FAILED = Exit(
    1, "failed", "the turn failed, nothing was found, or the daemon could not do what was asked"
)
USAGE = Exit(
    2,
    "usage",
    "the command line makes no sense, names no thread or more than one, or asks for what cannot be done",
)
INTERRUPTED = Exit(
    3, "interrupted", "the turn was interrupted, or its prompt withdrawn before it began"
)
WAITING = Exit(4, "waiting", "the turn, or an earlier turn of its thread, waits for an approval")
UNREACHABLE = Exit(69, "unreachable", "the daemon is not running or cannot be reached")
TRY_AGAIN = Exit(
    75, "try_again", "the daemon or its disk is full, or the connection was cut: try again"
)
FORBIDDEN = Exit(77, "forbidden", "not permitted")
BAD_CONFIG = Exit(78, "bad_config", "the configuration cannot be read")
LEFT = Exit(
    130,
    "left",
    "left by Ctrl-C; where a turn is followed, by a second one; of `exec`: its turn was interrupted",
)
OUTPUT_CLOSED = Exit(141, "output_closed", "the reader of the output has gone")

EXITS = tuple(value for value in list(globals().values()) if isinstance(value, Exit))


def exit_table() -> str:
    """The table as --help prints it."""
    rows = "\n".join(f"  {row.number:>3}  {row.meaning}" for row in EXITS)
    return f"exit codes:\n{rows}"
