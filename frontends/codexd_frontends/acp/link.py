"""The connection to the daemon, through restarts: what was asked is asked again where that is safe. I/O."""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import reconnect
from codexd_frontends.cli.watch import Interrupts, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, ConnectionCut
from codexd_frontends.client.session import may_be_repeated

T = TypeVar("T")

# What changes something, and is the same when it is done twice.
REPEATABLE: Final = (
    "/settings/update",
    "/name/set",
    "/interrupt",
    "/archive",
    "/unsubscribe",
    "/logout",
)
# A daemon that ends within each of so many calls has something wrong with it.
TRIES_MAX: Final = 3


class Left(CommandError):
    """A person ended this process while it waited for the daemon."""


class Link:
    """The daemon. `again` brings what followed threads over to another connection."""

    def __init__(self, daemon: Daemon, console: Console, again: Callable[[Daemon], object]) -> None:
        self.daemon = daemon
        self._console, self._again = console, again
        daemon.connect_again = None  # Another connection would not follow the threads.

    def call(self, method: str, params: Mapping[str, object], answer: type[T]) -> T:
        """Ask, again after a restart. Raises: RequestRefused, ConnectionCut, Unreachable."""
        if may_be_repeated(method, params) or method.endswith(REPEATABLE):
            return self.repeated(lambda: self.daemon.call(method, params, answer))
        try:
            return self.daemon.call(method, params, answer)
        except ConnectionCut as cut:
            self.reconnect(cut)
            raise

    def repeated(self, asked: Callable[[], T]) -> T:
        """Ask something that may be asked twice, again after a restart. Raises: as `call`."""
        for _ in range(TRIES_MAX - 1):
            try:
                return asked()
            except ConnectionCut as cut:
                self.reconnect(cut)
        return asked()

    def wait(self, pipe: int, milliseconds: float | None = None) -> bool:
        """Until something comes from the daemon or the pipe, or the time is over; whether it is the pipe."""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(self.daemon, select.POLLIN)
        return pipe in {descriptor for descriptor, _ in poll.poll(milliseconds)}

    def reconnect(self, cut: ConnectionCut) -> None:
        """Connect again, and go on after the cursors. Raises: Unreachable, Left."""
        self._console.talk(f"codexctl: {cut}; reconnecting")
        with Interrupts() as interrupts:
            stayed = reconnect(self.daemon, self._console, Watch(interrupts), self._again)
        if not stayed:
            raise Left("interrupted while the daemon was away")
