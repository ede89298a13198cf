"""The variables by which a service manager speaks with the daemon, and the messages that it is sent. I/O.

Sources: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3), systemd.exec(5).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping
from typing import Final, NamedTuple

log = logging.getLogger(__name__)

# They are meant for this process alone: a command that had them could speak in the daemon's name.
VARIABLES: Final = (
    "FDSTORE",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "MAINPID",
    "MANAGERPID",
    "MANAGERPIDFDID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "SYSTEMD_EXEC_PID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
)
# The manager reads at once; where it hangs, the daemon does not.
SEND_SECONDS_MAX: Final = 1.0
STATUS_CHARACTERS_MAX: Final = 200


def take_variables(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Remove the manager's variables from an environment, and return them."""
    return {name: environ.pop(name) for name in VARIABLES if name in environ}


class Manager:
    """The service manager that started this process, or nobody."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        """`variables`: as `take_variables` found them."""
        self.variables = variables or {}
        self._address = _address(self.variables.get("NOTIFY_SOCKET", ""))
        self._status = ""

    @property
    def listens(self) -> bool:
        """Whether a manager wants messages."""
        return self._address is not None

    @property
    def watchdog_seconds(self) -> float | None:
        """A message is expected at least this often; None: the manager does not watch this process."""
        usec, pid = (self.variables.get(f"WATCHDOG_{name}", "") for name in ("USEC", "PID"))
        if not usec.isdecimal() or not int(usec) or (pid and pid != str(os.getpid())):
            return None
        return int(usec) / 1_000_000

    def send(self, *lines: str, status: str = "") -> None:
        """Send a message of `NAME=VALUE` lines; `status` is a sentence for `systemctl status`."""
        if status:
            self._status = status.replace("\n", " ")[:STATUS_CHARACTERS_MAX]
            lines = (*lines, f"STATUS={self._status}")
        if self._address is None or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(SEND_SECONDS_MAX)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("the service manager was not told %s: %s", lines[0], error)

    def show(self, status: str) -> None:
        """Tell it the status, if that has changed."""
        if status != self._status:
            self.send(status=status)


class Begun(NamedTuple):
    """How this process was started: what `main` has found out before it runs the daemon."""

    manager: Manager
    drain_seconds: float = 0.0  # how long a signal to end lets answers of models come to their ends
    reopen_log: Callable[[], None] = lambda: None


def _address(named: str) -> str | None:
    """A path, or an abstract address, whose `@` stands for a zero byte; None: there is none of a known kind."""
    if named.startswith("@"):
        return f"\0{named[1:]}"
    return named if named.startswith("/") else None
