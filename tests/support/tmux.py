"""Terminals in a real tmux: typed on with send-keys, read with capture-pane.

    with Tmux(folder) as tmux:
        screen = tmux.open("codex", env=..., cwd=..., columns=120, rows=40)
        screen.type("say 3 8", "Enter")
        screen.wait_for("w w w")

Nothing sleeps: tmux says on its control stream whenever a screen has changed.
"""

from __future__ import annotations

import re
import select
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon_house import PATIENCE_SECONDS

# How long a key is given before it is pressed again.
PRESS_AGAIN_SECONDS = 1.0


class Screen:
    """One terminal, and the program on it."""

    def __init__(self, tmux: Tmux, name: str) -> None:
        self._tmux, self._name = tmux, name
        self._changes = subprocess.Popen(
            [*tmux.command, "-C", "attach-session", "-t", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def type(self, *keys: str) -> None:
        """Send keys in tmux's names; anything else is typed as it is."""
        self._tmux.run("send-keys", "-t", self._name, *keys)

    def write(self, text: str) -> None:
        """Type a text that tmux is not to take for names of keys."""
        self._tmux.run("send-keys", "-t", self._name, "-l", "--", text)

    def paste(self, text: str) -> None:
        """Paste a text as a terminal does that knows bracketed paste."""
        self._tmux.run("load-buffer", "-", given=text)
        self._tmux.run("paste-buffer", "-p", "-t", self._name)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self._tmux.run("resize-window", "-t", self._name, "-x", str(columns), "-y", str(rows))

    def text(self, *, history: bool = False) -> str:
        """What is on the screen, each row without the blanks behind it; `history`: and what has scrolled away."""
        above = ("-S", "-") if history else ()
        return self._tmux.run("capture-pane", "-p", *above, "-t", self._name)

    def wait_for(self, *wanted: str | re.Pattern[str], history: bool = False) -> str:
        """Wait until all of these are on the screen; returns it."""
        return self.wait_until(
            lambda text: all(_is_in(each, text) for each in wanted), wanted, history=history
        )

    def wait_gone(self, *unwanted: str) -> str:
        """Wait until none of these is on the screen; returns it."""
        return self.wait_until(
            lambda text: not any(each in text for each in unwanted), ("no", *unwanted)
        )

    def press_until(self, key: str, shown: str) -> str:
        """Press a key until a text is on the screen: some pages take no key in their first moments."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while shown not in (text := self.text()):
            assert time.monotonic() < deadline, f"{key} never led to {shown!r}:\n{text}"
            self.type(key)
            again = time.monotonic() + PRESS_AGAIN_SECONDS
            while (left := again - time.monotonic()) > 0 and shown not in self.text():
                self._changed(left)
        return text

    def wait_until(
        self, is_so: Callable[[str], bool], what: object, *, history: bool = False
    ) -> str:
        """Wait until a screen is as it should be; returns it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            text = self.text(history=history)
            if is_so(text):
                return text
            left = deadline - time.monotonic()
            assert left > 0, f"the screen never had {what!r}:\n{text}"
            assert self._changed(left), f"the screen never had {what!r}, and stays:\n{text}"

    def _changed(self, seconds: float) -> bool:
        assert self._changes.stdout is not None
        stream = self._changes.stdout.fileno()
        if not select.select([stream], [], [], seconds)[0]:
            return False
        return bool(self._changes.stdout.read(1 << 16))

    def close(self) -> None:
        """End the control stream, and the program if it still runs."""
        self._tmux.run("kill-session", "-t", self._name, fails=True)
        assert self._changes.stdin is not None
        assert self._changes.stdout is not None
        self._changes.stdin.close()
        self._changes.stdout.close()  # What nobody has read would hold its end up.
        self._changes.wait(PATIENCE_SECONDS)


class Tmux:
    """A tmux server of its own, without anybody's configuration."""

    def __init__(self, folder: Path) -> None:
        self.command = ("tmux", "-f", "/dev/null", "-S", str(folder / "tmux"))
        self._screens: list[Screen] = []

    def open(
        self,
        *words: str,
        env: Mapping[str, str],
        cwd: Path,
        columns: int = 120,
        rows: int = 40,
    ) -> Screen:
        """A terminal of this size with a program on it, which has this environment and no more.

        When the program ends its exit code stays on the screen: `ended 0`.
        """
        name = f"screen{len(self._screens)}"
        variables = [f"{name}={value}" for name, value in {**env, "TERM": "tmux-256color"}.items()]
        program = shlex.join(["env", "-i", *variables, *words])
        shell = f"{program}; echo ended $?; exec tail -f /dev/null"
        size = ("-x", str(columns), "-y", str(rows))
        self.run("new-session", "-d", "-s", name, *size, "-c", str(cwd), shell)
        self.run("set-option", "-t", name, "window-size", "manual")
        screen = Screen(self, name)
        self._screens.append(screen)
        return screen

    def run(self, *words: str, given: str = "", fails: bool = False) -> str:
        """Run a tmux command; what it prints. `fails`: it may."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [*self.command, *words], input=given, capture_output=True, text=True, check=not fails
        )
        return done.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, screen in enumerate(self._screens):
            if error is not None:
                error.add_note(f"screen {number}:\n{screen.text()}")
            screen.close()
        self.run("kill-server", fails=True)


def _is_in(wanted: str | re.Pattern[str], text: str) -> bool:
    return wanted in text if isinstance(wanted, str) else wanted.search(text) is not None


__all__: Sequence[str] = ("Screen", "Tmux")
