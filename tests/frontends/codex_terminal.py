"""Codex's terminal interface in tmux, on a home with a real daemon that is given to it as its own server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from codexd_frontends.client.client import Daemon as Connection
from daemon_house import Daemon, Home
from model_process import model_process
from tmux import Screen, Tmux

READY = "scripted default"  # the model in its last line: it is attached


class CodexHouse:
    """A daemon with a model that plays what prompts say, a folder to work in, and terminals."""

    def __init__(self, home: Home, tmux: Tmux, base_url: str) -> None:
        self.home, self.tmux = home, tmux
        self.codex_home = home.root / "codex"
        self.codex_home.mkdir(mode=0o700)
        # Keys that come as fast as from a program are keys all the same.
        (self.codex_home / "config.toml").write_text("disable_paste_burst = true\n")
        home.use_model(base_url, approval="on-request", window=None, more=self._more())
        self.daemon = self.start()

    def _more(self) -> str:
        return f'disable_paste_burst = true\ncodex_home = "{self.codex_home}"\n[projects."{self.home.work}"]\ntrust_level = "trusted"'

    @property
    def env(self) -> dict[str, str]:
        """Of the programs: nothing but what they need."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home.root),
            "CODEX_HOME": str(self.codex_home),
            "CODEXD_HOME": str(self.home.path),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
        }

    @property
    def remote(self) -> tuple[str, str]:
        """The flag that names the daemon's socket."""
        return "--remote", f"unix://{self.home.socket}"

    def start(self) -> Daemon:
        """Start the daemon, or start it again."""
        self.daemon = self.home.start()
        self.daemon.wait_said("codex finds this daemon")
        return self.daemon

    def open(self, program: Path, *words: str, size: tuple[int, int] = (120, 40)) -> Screen:
        """Start Codex in the folder."""
        columns, rows = size
        return self.tmux.open(
            str(program), *words, env=self.env, cwd=self.home.work, columns=columns, rows=rows
        )

    def run(self, program: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Codex to its end, without a terminal."""
        return subprocess.run(
            [str(program), *words],
            env=self.env,
            cwd=self.home.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def attach(self, thread: str) -> Screen:
        """`codexctl attach` on a thread."""
        program = [sys.executable, "-m", "codexd_frontends.ctl", "attach", thread]
        return self.tmux.open(*program, env=self.env, cwd=self.home.work)

    def threads(self, *, archived: bool = False) -> list[str]:
        """The ids of all threads that lists show."""
        with Connection.connect(str(self.home.socket)) as asks:
            found = asks.call("thread/list", {"archived": archived}, dict)
            return [thread["id"] for thread in found["data"]]

    def named_thread(self, name: str) -> str:
        """A new thread, for which no client makes up a title."""
        with Connection.connect(str(self.home.socket)) as asks:
            thread: str = asks.call("thread/start", {"cwd": str(self.home.work)}, dict)["thread"][
                "id"
            ]
            asks.call("thread/name/set", {"threadId": thread, "name": name}, dict)
            return thread


@contextmanager
def codex_house(base_url: str | None = None) -> Iterator[CodexHouse]:
    """A house of its own; without a model's URL, with one that plays what prompts say."""
    with (
        nullcontext(base_url) if base_url else model_process() as url,
        Home() as home,
        Tmux(home.root) as tmux,
    ):
        yield CodexHouse(home, tmux, url)


def submit(screen: Screen, text: str) -> None:
    """Type a prompt or a command, see it in the composer, and send it."""
    screen.write(text)
    screen.wait_for(text.removeprefix("!")[-40:])
    screen.type("Enter")


def ask(screen: Screen, command: str, shown: str) -> None:
    """Give a command of the terminal, and see what it shows."""
    screen.write(command)
    screen.wait_for(command)
    screen.press_until("Enter", shown)


def interrupt(screen: Screen) -> None:
    """Interrupt the turn by the key for it, and see that it was."""
    said = "Conversation interrupted"
    before = screen.text(history=True).count(said)
    screen.type("Escape")
    screen.wait_until(lambda text: text.count(said) > before, said, history=True)


def leave(screen: Screen, shown: str) -> None:
    """Close a page."""
    screen.type("Escape")
    screen.wait_gone(shown)
