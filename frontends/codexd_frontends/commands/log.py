"""codexctl log: the records of a thread, as in its log."""

from __future__ import annotations

import argparse

import msgspec
from msgspec import Raw

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect, reconnect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.cli.watch import CtrlC, Interrupts, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import ConnectionCut, UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import Followed, all_records
from codexd_frontends.client.messages import LoggedRecord
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.style import Style

DATA_CHARS_MAX = 160
TYPE_CHARS_MAX = 60  # three times the longest of ours
# Not every record makes a notification; those that make none show up this much later at most.
FOLLOW_PAUSE_SECONDS = 1.0


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Print the log of a thread, and go on with it if asked to."""
    with connect(console) as daemon, Interrupts() as interrupts:
        thread_id = find_thread_id(daemon, arguments.thread)
        if arguments.follow:
            Followed(thread_id).attach(daemon)  # From now on, news wakes us.
        before = max(0, arguments.first - 1)
        printed = _Printed(thread_id, before, console)
        printed.go_on(daemon)
        if printed.after == before and not arguments.follow:
            raise UsageError(
                f"expected the number of a record of thread {thread_id}, found {arguments.first}, which is after the last"
            )
        watch = Watch(interrupts)
        while arguments.follow:
            try:
                if isinstance(watch.next(daemon, seconds=FOLLOW_PAUSE_SECONDS), CtrlC):
                    break
                printed.go_on(daemon)
            except ConnectionCut:
                if not reconnect(daemon, console, watch, Followed(thread_id).attach):
                    break
    return DONE


class _Printed:
    """The records of a thread that were printed, up to one of them."""

    def __init__(self, thread_id: str, after: int, console: Console) -> None:
        self.after = after
        self._thread_id, self._console = thread_id, console

    def go_on(self, daemon: Daemon) -> None:
        """Print all records that follow."""
        for raw in all_records(daemon, self._thread_id, after=self.after):
            if self._console.json:
                self._console.json_line(bytes(raw))
            else:
                self._console.answer(record_line(raw, self._console.out_style))
            self.after = max(self.after, msgspec.json.decode(raw, type=LoggedRecord).seq)


def record_line(raw: Raw, style: Style) -> str:
    """One record, short: its number, its time of day, what it is, and the beginning of what it says."""
    record = msgspec.json.decode(raw, type=LoggedRecord)
    time_of_day = record.at.partition("T")[2][:12] or record.at
    said = one_line(bytes(record.data).decode(errors="replace"), DATA_CHARS_MAX)
    kind = one_line(record.type, TYPE_CHARS_MAX)
    return (
        f"{record.seq:>6}  {style.dim(one_line(time_of_day, TYPE_CHARS_MAX))}  "
        f"{style.bold(f'{kind:<22}')}  {style.dim(said)}"
    )
