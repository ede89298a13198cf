"""launchd, by `launchctl`."""

from __future__ import annotations

import os
import plistlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.parsers.expat import ExpatError

from codexd.machine.paths import default_paths, home_folder
from codexd_frontends.service import units
from codexd_frontends.service.manager import State
from codexd_frontends.service.programs import Done, NoManager, run

# In what `launchctl print` says of a job.
_STATE = re.compile(r"^\t(state|pid) = (.*+)", re.MULTILINE)
# Where Homebrew, MacPorts and the system have programs: launchd's own PATH has the last four.
_FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")


class Launchd:
    """The launchd of the person's graphical session."""

    name = "launchd"

    def __init__(self) -> None:
        self._path = home_folder(os.environ) / "Library" / "LaunchAgents" / units.PROPERTY_LIST
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{units.LABEL}"

    def files(self) -> Mapping[Path, bytes]:
        paths = default_paths()
        content = units.property_list(
            units.daemon_command(),
            paths.socket,
            paths.state_dir / "codexd.log",
            units.home_variables(os.environ),
            path=os.environ.get("PATH") or ":".join(_FOLDERS),
        )
        return {self._path: content}

    def check(self) -> None:
        answered = run(["launchctl", "print", self._domain])
        if answered.code:
            raise NoManager(
                f"expected a session of launchd ({self._domain}), found none: log in at the screen once, or let "
                "codexctl start the daemon by itself; nothing was done"
            )

    def install_commands(self) -> Sequence[Sequence[str]]:
        return [
            ["launchctl", "enable", self._target],
            ["launchctl", "bootstrap", self._domain, str(self._path)],
        ]

    def stop_commands(self) -> Sequence[Sequence[str]]:
        return [["launchctl", "bootout", self._target]]

    def removed_commands(self) -> Sequence[Sequence[str]]:
        return []

    def run(self, words: Sequence[str]) -> Done:
        return run(words)

    def serves(self, socket_path: str) -> bool:
        return self._socket_path() == socket_path

    def start(self) -> Done:
        return run(["launchctl", "kickstart", self._target])

    def state(self) -> State:
        self.check()
        printed = run(["launchctl", "print", self._target])
        found = dict(_STATE.findall(printed.out))
        pid = int(found["pid"]) if found.get("pid", "").isdecimal() else None
        words = found.get("state", "not loaded" if printed.code else "loaded")
        installed = self._path.is_file()
        stale = ""
        if installed and self._path.read_bytes() != self.files()[self._path]:
            stale = f"{self._path} is of another version, or of another installation"
        return State(installed, pid is not None, pid, words, not printed.code, stale)

    def advice(self) -> Sequence[str]:
        return []

    def logs_command(self, lines: int, *, follow: bool, thread: str | None) -> Sequence[str] | None:
        return None

    def _socket_path(self) -> str | None:
        try:
            plist = plistlib.loads(self._path.read_bytes())
            path = plist["Sockets"]["codexd"]["SockPathName"]
        except (OSError, ValueError, KeyError, TypeError, ExpatError):
            return None
        return path if isinstance(path, str) else None
