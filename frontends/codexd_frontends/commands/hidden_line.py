"""A line that is typed and not shown: a key. It may be prefilled; the first character or paste takes its place. I/O."""

from __future__ import annotations

import os
import termios
from collections.abc import Callable

# Bracketed paste, which a terminal may send around what is pasted.
_PASTE_MARKS = (b"\x1b[200~", b"\x1b[201~")
_READ_BYTES = 64 * 1024


class HiddenLine:
    """The line as it grows; `feed` is pure."""

    def __init__(self, prefilled: str = "") -> None:
        self._prefilled, self._typed = prefilled, bytearray()
        self._touched = False
        self.is_done = False

    @property
    def text(self) -> str:
        """The value: what was typed, without blanks around it, else what was prefilled."""
        typed = self._typed.decode(errors="replace").strip()
        return typed if self._touched else self._prefilled

    def feed(self, data: bytes) -> None:
        """Take what was typed. Raises: KeyboardInterrupt, for Ctrl-C, and for Ctrl-D on an empty line."""
        for mark in _PASTE_MARKS:
            data = data.replace(mark, b"")
        for byte in data:
            if self.is_done:
                return
            self._take(byte)

    def _take(self, byte: int) -> None:
        match byte:
            case 0x0A | 0x0D:
                self.is_done = True
            case 0x03:
                raise KeyboardInterrupt
            case 0x04 if not self._typed:
                raise KeyboardInterrupt
            case 0x08 | 0x7F:
                self._touched = True
                del self._typed[-1:]
            case 0x15:  # Ctrl-U empties the line.
                self._touched = True
                self._typed.clear()
            case _ if byte >= 0x20:
                self._touched = True
                self._typed.append(byte)
            case _:
                pass

    def read(self, fd: int, ask: Callable[[], None]) -> str:
        """Read a terminal until the end of the line; the value. Its echo is off before the person is asked."""
        before = termios.tcgetattr(fd)
        unseen = termios.tcgetattr(fd)
        unseen[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        termios.tcsetattr(fd, termios.TCSADRAIN, unseen)
        try:
            ask()
            while not self.is_done:
                data = os.read(fd, _READ_BYTES)
                if not data:
                    raise KeyboardInterrupt
                self.feed(data)
        finally:
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
        return self.text
