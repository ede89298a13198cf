"""systemd, by `systemctl --user`."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from codexd.machine.paths import default_paths, home_folder
from codexd_frontends.service import units
from codexd_frontends.service.manager import State
from codexd_frontends.service.programs import Done, NoManager, run

_CONTROL: Final = ("systemctl", "--user")
_BOTH: Final = (units.SOCKET, units.SERVICE)
_ASKED: Final = "ActiveState,SubState,MainPID,StatusText,Result,NRestarts,NeedDaemonReload"
_LISTENS: Final = re.compile(r"^ListenStream=(.*+)", re.MULTILINE)
_VERSION: Final = re.compile(r"systemd (\d+)")
# Where a person who is logged in has a runtime folder, also where the variable is missing (cron, su).
_SESSIONS: Final = Path("/run/user")
_LINGERS: Final = Path("/var/lib/systemd/linger")


class Systemd:
    """The person's own systemd."""

    name = "systemd"

    def __init__(self) -> None:
        named = os.environ.get("XDG_RUNTIME_DIR", "")
        self._runtime = Path(named) if named.startswith("/") else _SESSIONS / str(os.getuid())
        config = os.environ.get("XDG_CONFIG_HOME", "")
        base = Path(config) if config.startswith("/") else home_folder(os.environ) / ".config"
        self._folder = base / "systemd" / "user"

    def files(self) -> Mapping[Path, bytes]:
        texts = units.systemd_units(
            units.daemon_command(),
            default_paths().socket,
            self._runtime,
            units.home_variables(os.environ),
            version=self._version(),
        )
        return {self._folder / name: text.encode() for name, text in texts.items()}

    def check(self) -> None:
        answered = self.run([*_CONTROL, "show", "--property=Version", "--value"])
        if answered.code or not answered.out:
            why = answered.complaint or "it says nothing"
            raise NoManager(
                f"expected a systemd of this user that answers, found none ({why}): codexctl starts the daemon by "
                "itself; nothing was done"
            )

    def install_commands(self) -> Sequence[Sequence[str]]:
        return [
            [*_CONTROL, "daemon-reload"],
            [*_CONTROL, "enable", *_BOTH],
            [*_CONTROL, "start", *_BOTH],
        ]

    def stop_commands(self) -> Sequence[Sequence[str]]:
        return [[*_CONTROL, "stop", *_BOTH]]

    def removed_commands(self) -> Sequence[Sequence[str]]:
        return [[*_CONTROL, "disable", *_BOTH], [*_CONTROL, "daemon-reload"]]

    def run(self, words: Sequence[str]) -> Done:
        return run(words, {"XDG_RUNTIME_DIR": str(self._runtime)})

    def serves(self, socket_path: str) -> bool:
        try:
            text = (self._folder / units.SOCKET).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return False
        listens = _LISTENS.search(text)
        if listens is None or not (self._folder / units.SERVICE).is_file():
            return False
        path = listens[1].strip().replace("%%", "%")
        return path.replace("%t", str(self._runtime), 1) == socket_path

    def start(self) -> Done:
        return self.run([*_CONTROL, "start", units.SERVICE])

    def state(self) -> State:
        self.check()
        shown = self._show(units.SERVICE)
        listens = self._show(units.SOCKET).get("ActiveState") == "active"
        words = " ".join(shown.get(name, "") for name in ("ActiveState", "SubState"))
        if shown.get("Result", "success") != "success":
            words += f", the last run ended with {shown['Result']}"
        if shown.get("StatusText"):
            words += f": {shown['StatusText']}"
        pid = int(shown.get("MainPID") or 0) or None
        installed = all((self._folder / name).is_file() for name in _BOTH)
        active = shown.get("ActiveState") in ("active", "reloading", "deactivating")
        return State(installed, active, pid, words, listens, self._stale() if installed else "")

    def advice(self) -> Sequence[str]:
        name = getpass.getuser()
        if (_LINGERS / name).exists():
            return []
        return [
            "the daemon ends when you log out of the last session, and starts when you log in; to keep it running:",
            f"  loginctl enable-linger {name}",
        ]

    def logs_command(self, lines: int, *, follow: bool, thread: str | None) -> Sequence[str] | None:
        # Not `--user`: what services of root say is not in a journal of a user.
        words = ["journalctl", "--quiet", f"--user-unit={units.SERVICE}", f"--lines={lines}"]
        words += ["--follow"] if follow else ["--no-pager"]
        return [*words, *([f"THREAD_ID={thread}"] if thread else [])]

    def _show(self, unit: str) -> dict[str, str]:
        shown = self.run([*_CONTROL, "show", unit, f"--property={_ASKED}"]).out
        return dict(line.partition("=")[::2] for line in shown.splitlines())

    def _stale(self) -> str:
        """Why the units should be written again."""
        for path, content in self.files().items():
            if not units.is_ours(path):
                return f"{path} was not written by codexctl"
            if path.read_bytes() != content:
                return f"{path} is of another version, or of another installation"
        return ""

    def _version(self) -> int:
        found = _VERSION.match(self.run(["systemctl", "--version"]).out)
        return int(found[1]) if found else 0
