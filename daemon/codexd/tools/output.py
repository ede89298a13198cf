"""A bounded part of a command's output: its start and its end, for a result.

Memory is bounded however much output comes; the bytes left out in the middle are counted. Bytes are kept raw and
decoded on request, so that a flood costs no decoding.
"""

from __future__ import annotations

import codecs

import msgspec

from codexd.core.values.truncate import character_start

# What a screen gets of a command; the start of a build log matters too.
OUTPUT_KEPT_BYTES_MAX = 1 << 20


class KeptText(msgspec.Struct, frozen=True):
    """Output as text; a gap lies between head and tail where bytes are gone."""

    head: str
    tail: str  # "" where nothing is gone
    gone_bytes: int

    def for_screens(self) -> str:
        """All of it, with a line that says how much is missing."""
        if not self.gone_bytes:
            return self.head
        return f"{self.head}\n…{self.gone_bytes} bytes omitted…\n{self.tail}"


class KeptOutput:
    """Collects output: the first half and the last half of what may be kept."""

    def __init__(self, bytes_max: int = OUTPUT_KEPT_BYTES_MAX) -> None:
        self._tail_bytes_max = bytes_max // 2
        self._head_bytes_max = bytes_max - self._tail_bytes_max
        self._head = bytearray()
        self._tail = bytearray()
        self._newlines = 0
        self._last_byte = b""
        self.total_bytes = 0
        self.lost_bytes = 0

    def add(self, chunk: bytes) -> None:
        if not chunk:
            return
        self.total_bytes += len(chunk)
        self._newlines += chunk.count(b"\n")
        self._last_byte = chunk[-1:]
        room = self._head_bytes_max - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        self._tail += chunk
        # Twice the limit before it is cut, so that many small chunks don't each move the whole tail.
        if len(self._tail) > 2 * self._tail_bytes_max:
            self._cut_tail()

    def skip(self, lost_bytes: int) -> None:
        """This much is lost between what came and what comes; more came before than may be kept."""
        self.total_bytes += lost_bytes
        self.lost_bytes += lost_bytes

    def lines(self) -> int:
        """How many lines there were in all, those in lost bytes left out; a last line without its newline counts."""
        return self._newlines + (self._last_byte not in (b"", b"\n"))

    def text(self) -> KeptText:
        """The kept output, decoded; bytes that are no UTF-8 become U+FFFD."""
        self._cut_tail()
        kept_bytes = len(self._head) + len(self._tail)
        if kept_bytes == self.total_bytes:
            return KeptText(
                head=(self._head + self._tail).decode(errors="replace"), tail="", gone_bytes=0
            )
        # A character that the gap cut in two belongs to the gap.
        head, head_bytes = codecs.utf_8_decode(self._head, "replace", False)
        torn_bytes = character_start(self._tail, 0)
        return KeptText(
            head=head,
            tail=self._tail[torn_bytes:].decode(errors="replace"),
            gone_bytes=self.total_bytes - kept_bytes + len(self._head) - head_bytes + torn_bytes,
        )

    def _cut_tail(self) -> None:
        if len(self._tail) > self._tail_bytes_max:
            del self._tail[: len(self._tail) - self._tail_bytes_max]
