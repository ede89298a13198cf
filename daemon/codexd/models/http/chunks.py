"""Takes the body out of a chunked HTTP response, many chunks at a time; sans-IO.

A provider sends each event as a chunk of its own, and the HTTP library under us spends more on a chunk than
everything that we do with the event. So the library is fed a response up to its head, the chunks are taken
here, and the library is fed the end. Bytes that are not chunked, or malformed, it gets unchanged.

Source: RFC 9112, section 7.1.
"""

from __future__ import annotations

import re
from typing import Final

_CHUNKED = re.compile(
    rb"\r\ntransfer-encoding:(?:[^\r\n]{0,256}\b)?chunked[ \t]{0,16}+\r\n", re.IGNORECASE
)
_INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)")  # "100 Continue": the real head is still to come
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15}+)[ \t]*+(?:;[^\r\n]*+)?+\r\n")
# A head, or the line with a chunk's size, that is longer than this is left to the library to refuse.
LINE_BYTES_MAX: Final = 64 * 1024


class ChunkTaker:
    """Follows the responses on one connection."""

    def __init__(self) -> None:
        self.in_body = False  # chunks come next: they are there to `take`
        self._in_head = False
        # Bytes that make no sense without those to come, or that are for the other call.
        self._held = b""
        self._left = 0  # bytes of the present chunk that are to come, its line end included

    def begin(self) -> None:
        """A request is being sent: the head of a response comes next."""
        self._in_head = not self.in_body

    def feed(self, received: bytes) -> bytes:
        """The bytes for the library: from these, and from those that were held back."""
        received, self._held = self._held + received, b""
        return self._read_head(received) if self._in_head and received else received

    def take(self, received: bytes) -> bytes:
        """The bodies of the chunks in these bytes. The bytes after the last chunk are held back for `feed`."""
        received, at, bodies = self._held + received, 0, []
        while at < len(received):
            if self._left:
                end = min(at + self._left, len(received))
                self._left -= end - at
                # The last two bytes are the chunk's line end; the second may be missing yet.
                bodies.append(received[at : max(at, end - max(0, 2 - self._left))])
                at = end
                continue
            size = _SIZE.match(received, at)
            if size is None and self._may_still_be_a_size(received, at):
                break
            if size is None or int(size[1], 16) == 0:
                self.in_body = False
                break
            self._left = int(size[1], 16) + 2
            at = size.end()
        self._held = received[at:]
        return b"".join(bodies)

    def _read_head(self, received: bytes) -> bytes:
        end = received.find(b"\r\n\r\n") + 4
        if end < 4 and len(received) <= LINE_BYTES_MAX:
            self._held = received
            return b""
        head, rest = received[:end], received[end:]
        if end >= 4 and _INTERIM.match(head):
            return head + (self._read_head(rest) if rest else b"")
        self._in_head = False
        if end < 4 or not _CHUNKED.search(head):
            return received
        self.in_body, self._held = True, rest
        return head

    def _may_still_be_a_size(self, received: bytes, at: int) -> bool:
        return received.find(b"\n", at) < 0 and len(received) - at < LINE_BYTES_MAX
