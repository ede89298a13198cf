"""The service manager of this platform, as `codexctl` uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from codexd_frontends.service.programs import Done


class State(NamedTuple):
    """What a manager says of the daemon."""

    installed: bool
    active: bool  # whether its process runs
    pid: int | None
    says: str  # the manager's own words for it
    listens: bool  # whether the manager holds the socket, so that a connection starts the daemon
    stale: str = ""  # why it should be installed again; "" if it need not


class Manager(Protocol):
    """Installs, starts and looks at the daemon's service."""

    name: str

    def files(self) -> Mapping[Path, bytes]:
        """The files of the service, as they should be. Raises: CommandError."""

    def check(self) -> None:
        """Raises: NoManager, there is none that answers."""

    def install_commands(self) -> Sequence[Sequence[str]]:
        """What is run once the files are there."""

    def stop_commands(self) -> Sequence[Sequence[str]]:
        """What is run before the files are replaced or removed; these may fail where nothing is loaded."""

    def removed_commands(self) -> Sequence[Sequence[str]]:
        """What is run once the files are gone."""

    def run(self, words: Sequence[str]) -> Done:
        """Run one of these commands."""

    def serves(self, socket_path: str) -> bool:
        """Whether the service is installed, and for this socket."""

    def start(self) -> Done:
        """Start the daemon, and wait until it serves."""

    def state(self) -> State:
        """What the manager says. Raises: NoManager."""

    def advice(self) -> Sequence[str]:
        """What a person should still do so that the daemon runs when it is expected to."""

    def logs_command(self, lines: int, *, follow: bool, thread: str | None) -> Sequence[str] | None:
        """The program that shows the daemon's log; None: the log is a file."""
