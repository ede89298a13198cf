"""A program on a terminal of its own: a real PTY, to type on and to read from."""

from __future__ import annotations

import codecs
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon_house import PATIENCE_SECONDS
from forked import Forked, can_have, fork

SCREEN_SECONDS_MAX = PATIENCE_SECONDS
TYPED_AT_ONCE = 512  # less than a terminal's buffer, so that writing it never blocks

# Who leads a session and opens a terminal has it as the controlling one, so that Ctrl-C is a signal.
_ON_TERMINAL = ("/bin/sh", "-c", 'exec <>"$0" >&0 2>&1; exec "$@"')
_CODEXCTL = (sys.executable, "-m", "codexd_frontends.ctl")


class Terminal:
    """`codexctl` with these words, its stdin, stdout and stderr one terminal."""

    def __init__(
        self, *words: str, environ: Mapping[str, str] | None = None, cwd: str | None = None
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.screen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._read_to = 0  # how far `wait_for` has looked
        self._process = self._started(theirs, words, cwd, environ or {})
        os.close(theirs)

    def _started(
        self, theirs: int, words: Sequence[str], cwd: str | None, environ: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | Forked:
        env = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", **environ}
        if can_have(environ):
            streams, where = (theirs,) * 3, Path(cwd or ".").absolute()
            return fork("codexd_frontends.ctl", words, env=env, cwd=where, streams=streams)
        return subprocess.Popen(
            [*_ON_TERMINAL, os.ttyname(theirs), *_CODEXCTL, *words],
            stdin=theirs,  # so that it stays open until it is opened there
            start_new_session=True,
            cwd=cwd,
            env=env,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
        if error is not None:
            error.add_note(f"on the screen stood:\n{self.screen}")

    def wait_for(self, text: str) -> None:
        """Read until this stands behind what was waited for before."""
        deadline = time.monotonic() + SCREEN_SECONDS_MAX
        while (at := self.screen.find(text, self._read_to)) < 0:
            if not self._read(deadline - time.monotonic()):
                unread = self.screen[self._read_to :]
                raise AssertionError(f"expected {text!r} on the screen, found {unread!r}")
        self._read_to = at + len(text)

    def type(self, text: str) -> None:
        """Type, as a person does; the terminal echoes it."""
        self.type_bytes(text.encode())

    def type_bytes(self, typed: bytes) -> None:
        """The same with bytes that may be no text, and more than the terminal holds at once."""
        while typed:
            _, writable, _ = select.select([], [self._ours], [], SCREEN_SECONDS_MAX)
            assert writable, f"nobody reads the terminal; {len(typed)} bytes were not typed"
            typed = typed[os.write(self._ours, typed[:TYPED_AT_ONCE]) :]
            while select.select([self._ours], [], [], 0)[0] and self._read(0):
                pass  # The echo fills the other direction.

    def press_ctrl_c(self) -> None:
        """The terminal driver makes a signal of it, and shows ^C."""
        self.type("\x03")

    def wait_exit(self) -> int:
        """The exit code; what was still written is on the screen then."""
        while self._read(SCREEN_SECONDS_MAX):
            pass
        return self._process.wait(SCREEN_SECONDS_MAX)

    @property
    def lines(self) -> list[str]:
        """The screen, line by line."""
        return self.screen.replace("\r\n", "\n").split("\n")

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], max(0, seconds))[0]:
            return False
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # Linux says so when the other side is closed.
            return False
        self.screen += self._decoder.decode(data)
        return bool(data)
