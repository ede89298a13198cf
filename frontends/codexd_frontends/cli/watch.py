"""Waits for the first of: a message, a typed line, Ctrl-C; and for a daemon that comes back. I/O."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import time
from types import FrameType
from typing import NamedTuple, Self

from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX
from codexd_frontends.cli.utf8 import typed_text
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.messages import Message

# Lines that follow this closely on a terminal were pasted, not typed: they are one prompt.
PASTE_GAP_SECONDS = 0.02
# A long paste comes in pieces of a terminal's buffer, and a busy machine pauses between them.
LONG_PASTE_GAP_SECONDS = 0.25
INPUT_READ_BYTES = 1 << 16
# Where every character has four bytes: more than the daemon takes is its to refuse.
TYPED_BYTES_MAX = 4 * INPUT_CHARACTERS_MAX
# A terminal keeps so much of a line and forgets the rest: N_TTY_BUF_SIZE of Linux, TTYHOG of macOS, but for the newline.
TERMINAL_LINE_BYTES = 4095 if sys.platform == "linux" else 1023
# What a terminal puts around a paste, if a program before this one has asked for it (xterm's control sequences, 2004).
PASTE_MARKS = (b"\x1b[200~", b"\x1b[201~")


class Typed(NamedTuple):
    """A line, or several that were pasted at once."""

    text: str


class NotTaken(NamedTuple):
    """A line, or a paste, that is not what was typed; why."""

    why: str


class InputEnded(NamedTuple):
    """Ctrl-D, or the end of the file that stdin is."""


class CtrlC(NamedTuple):
    """SIGINT came."""


Seen = Message | Typed | NotTaken | InputEnded | CtrlC


class Interrupts:
    """While this is open, SIGINT is counted and makes `fileno` readable.

    A second one raises KeyboardInterrupt if the first was not seen, since the command waits for something else.
    """

    def __init__(self) -> None:
        self.count = 0
        self.seen = 0
        self.leaves = False  # whether the next one raises in any case
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)  # as set_wakeup_fd wants it
        self._before = signal.signal(signal.SIGINT, self._counted)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        signal.signal(signal.SIGINT, self._before)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        return self._reader

    def _counted(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.leaves or self.count > self.seen + 1:
            raise KeyboardInterrupt

    def drain(self) -> None:
        """Forget that `fileno` was readable."""
        while select.select([self._reader], [], [], 0)[0]:
            os.read(self._reader, INPUT_READ_BYTES)


class InputLines:
    """Lines of a file descriptor, read without Python's buffer, so that `select` is right."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._partial = bytearray()
        self._lost = False  # whether more came at once than is kept
        self._ended = False
        self._pastes = os.isatty(descriptor)

    def fileno(self) -> int:
        return self._descriptor

    @property
    def waiting(self) -> bool:
        """Whether a line, or the end, is here already."""
        return self._ended or b"\n" in self._partial

    def read(self) -> None:
        """Take what the descriptor has; a terminal that is gone has ended."""
        try:
            data = os.read(self._descriptor, INPUT_READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._ended = True
        elif len(self._partial) < TYPED_BYTES_MAX:
            self._partial += data
        else:
            self._lost = True
            self._partial[-1:] = data[-1:]  # Perhaps the end of its last line.

    def drop(self) -> str:
        """Take away all that was typed and not read, a line without its end too; what that was."""
        typed, self._partial = bytes(self._partial), bytearray()
        if self._pastes and _is_in_front(self._descriptor):
            typed += _unread(self._descriptor)
        return typed.decode(errors="replace").replace("\r", "")

    def next(self, *, join_pasted: bool) -> Typed | NotTaken | InputEnded:
        """The next line; on a terminal, if asked for, with those that were pasted with it."""
        if b"\n" not in self._partial:
            last, self._partial = self._partial, bytearray()
            if last and self._pastes:  # Ctrl-D: a half line is left as it was.
                return NotTaken("expected Enter at the end of the line, found the end of the input")
            return self._taken(last) if last else InputEnded()
        if join_pasted and self._pastes:
            while not self._ended and _readable(self._descriptor, self._gap):
                self.read()
            whole, _, self._partial = self._partial.rpartition(b"\n")
        else:
            whole, _, self._partial = self._partial.partition(b"\n")
        return self._taken(whole)

    @property
    def _gap(self) -> float:
        is_long = len(self._partial) > TERMINAL_LINE_BYTES
        return LONG_PASTE_GAP_SECONDS if is_long else PASTE_GAP_SECONDS

    def _taken(self, typed: bytearray) -> Typed | NotTaken:
        """What was typed, if all of it is here and is text."""
        for mark in PASTE_MARKS:
            typed = typed.replace(mark, b"")
        if self._lost:
            self._lost = False
            return NotTaken(f"expected at most {TYPED_BYTES_MAX} bytes at once, found more")
        longest = max(map(len, typed.split(b"\n")))
        if self._pastes and longest >= TERMINAL_LINE_BYTES:
            return NotTaken(
                f"a terminal keeps {TERMINAL_LINE_BYTES} bytes of a line, and this one may have lost its rest: "
                "paste shorter lines, or give a file to `codexctl send -t THREAD -`"
            )
        try:
            return Typed(typed_text(bytes(typed)))
        except UsageError as error:
            return NotTaken(str(error))


def _is_in_front(descriptor: int) -> bool:
    """Whether this process may change the terminal: one in the background would be stopped."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True  # It is not our controlling terminal, and no process is stopped for it.


def _unread(descriptor: int) -> bytes:
    """The input that the terminal holds. It returns whole lines only, so it is switched to characters for this."""
    try:
        before = termios.tcgetattr(descriptor)
    except termios.error:
        return b""  # It is gone, and what it held with it.
    raw = [*before[:3], before[3] & ~termios.ICANON, *before[4:6], list(before[6])]
    raw[6][termios.VMIN] = raw[6][termios.VTIME] = 0
    try:
        termios.tcsetattr(descriptor, termios.TCSANOW, raw)
        read = b""
        while len(read) < TYPED_BYTES_MAX and (data := os.read(descriptor, INPUT_READ_BYTES)):
            read += data
        return read
    except (OSError, termios.error):
        return b""
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


class Watch:
    """Waits on the daemon, on SIGINT, and on typed lines where there are any."""

    def __init__(
        self,
        interrupts: Interrupts,
        lines: InputLines | None = None,
        output: int | None = None,
    ) -> None:
        """`output`: a descriptor whose reader is watched; without a reader there is nothing to wait for."""
        self._interrupts = interrupts
        self.lines = lines
        self._output = output

    def leave_next(self) -> None:
        """Have the next Ctrl-C raise KeyboardInterrupt, during any wait."""
        self._interrupts.leaves = True

    def next(
        self,
        daemon: Daemon | None,
        *,
        listen: bool = True,
        join_pasted: bool = True,
        seconds: float | None = None,
    ) -> Seen | None:
        """The first event; None if nothing came in `seconds`. `listen`: take typed lines.

        Raises:
            ConnectionCut: the daemon went away.
            BrokenPipeError: the reader of the output did.
        """
        lines = self.lines if listen else None
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            if self._interrupts.count > self._interrupts.seen:
                self._interrupts.drain()
                self._interrupts.seen = self._interrupts.count
                return CtrlC()
            if lines is not None and lines.waiting:
                return lines.next(join_pasted=join_pasted)
            message = None if daemon is None else daemon.receive_nowait()
            if message is not None:
                return message
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._wait(daemon, lines, left)

    def _wait(self, daemon: Daemon | None, lines: InputLines | None, seconds: float | None) -> None:
        poll = select.poll()
        poll.register(self._interrupts, select.POLLIN)
        if daemon is not None:
            poll.register(daemon, select.POLLIN)
        if lines is not None:
            poll.register(lines, select.POLLIN)
        if self._output is not None:
            poll.register(self._output, 0)  # Errors and the end of the reader are reported anyway.
        ready = {fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)}
        if self._output in ready:
            raise BrokenPipeError
        if lines is not None and lines.fileno() in ready:
            lines.read()


def _readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])
