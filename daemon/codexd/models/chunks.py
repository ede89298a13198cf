"""Joins the HTTP chunks that one network read brings into one; sans-IO.

A provider sends each event as a chunk of its own, and the HTTP library under us spends more on a chunk than
everything that we do with the event. So its network stream is given the same response with fewer, larger
chunks. What is no chunked response, or is malformed, passes as it came, for the library to judge.
"""

from __future__ import annotations

import re
from typing import Final

_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*\bchunked[ \t]*\r\n", re.IGNORECASE)
_INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)")  # "100 Continue": the real head is still to come
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
# A head, or the line with a chunk's size, that is longer than this is passed on as it is.
LINE_BYTES_MAX: Final = 64 * 1024


class ChunkJoiner:
    """Follows the responses on one connection. `begin` is called when a request is written."""

    def __init__(self) -> None:
        self._state = self._pass_on
        self._held = b""  # bytes that make no sense without those to come
        self._left = 0  # bytes of the present chunk that are to come, its CRLF included

    def begin(self) -> None:
        """A request was sent: what comes next is the head of a response."""
        if self._state == self._pass_on:
            self._state = self._read_head

    def feed(self, received: bytes) -> bytes:
        """The bytes to hand on. Nothing, if it takes more to make sense of these."""
        if self._held:
            received = self._held + received
            self._held = b""
        return self._state(received)

    def end(self) -> bytes:
        """The connection has ended: what was held back."""
        held, self._held = self._held, b""
        return held

    def _pass_on(self, received: bytes) -> bytes:
        return received

    def _read_head(self, received: bytes) -> bytes:
        end = received.find(b"\r\n\r\n")
        if end < 0:
            if len(received) > LINE_BYTES_MAX:
                return self._give_up(received)
            self._held = received
            return b""
        head, rest = received[: end + 4], received[end + 4 :]
        if _INTERIM.match(head):
            return head + (self._read_head(rest) if rest else b"")
        if not _CHUNKED.search(head):
            return self._give_up(received)
        self._state = self._read_chunks
        return head + self._read_chunks(rest)

    def _read_chunks(self, received: bytes) -> bytes:
        """One chunk with the bodies of all that are here, and the end as it came."""
        at, pieces = 0, []
        while at < len(received):
            if self._left:
                end = min(at + self._left, len(received))
                self._left -= end - at
                # The last two bytes are the chunk's line end, of which one may be still to come.
                pieces.append(received[at : max(at, end - max(0, 2 - self._left))])
                at = end
                continue
            size = _SIZE.match(received, at)
            if size is None and self._may_still_be_a_size(received, at):
                self._held = received[at:]
                break
            if size is None or int(size[1], 16) == 0:
                return _as_chunk(pieces) + self._give_up(received[at:])
            self._left = int(size[1], 16) + 2
            at = size.end()
        return _as_chunk(pieces)

    def _may_still_be_a_size(self, received: bytes, at: int) -> bool:
        return received.find(b"\n", at) < 0 and len(received) - at < LINE_BYTES_MAX

    def _give_up(self, received: bytes) -> bytes:
        self._state = self._pass_on
        return received


def _as_chunk(pieces: list[bytes]) -> bytes:
    body = b"".join(pieces)
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
