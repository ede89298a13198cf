r"""Bytes to messages and back: JSON, one message per line. Sans-IO: it is fed bytes, and owns no socket.

    feed(bytes)  ->  [bytes | OverlongMessage | Send | Hangup, …]     the peer's messages, in order
    frame(body)  ->  bytes                                            the bytes to write for a message

Law: a message has at most MESSAGE_BYTES_MAX bytes, and no more than that is held in memory. A longer message
is reported once and skipped, and the connection continues. `websocket` has the same two calls, and may
also need bytes sent (an answer to a ping) or the connection closed; lines never do.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from codexd.protocol.wire.request_ids import RequestId, id_in

# 16 MiB: Codex announces the same bound for one unfragmented message, and it is enough for an
# image of 12 MB in base64. Eight connections that each hold a partial message take 128 MiB.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024


# How much of an overlong message is searched for its id.
HEAD_BYTES = 4096


class OverlongMessage(msgspec.Struct, frozen=True):
    """A message was longer than the bound, and was skipped."""

    bytes_max: int
    request_id: RequestId | None = None  # None: not found in its beginning

    def __str__(self) -> str:
        return f"expected a message of at most {self.bytes_max} bytes, found a longer one; it was skipped"


class Send(msgspec.Struct, frozen=True):
    """Bytes of the framing itself for the peer, to be written as they are."""

    wire: bytes


class Hangup(msgspec.Struct, frozen=True):
    """The connection ends: write `wire`, then close. Nothing follows."""

    wire: bytes
    reason: str


Fed = bytes | OverlongMessage | Send | Hangup


class Framing(Protocol):
    """Splits a stream of bytes into messages, and encodes messages."""

    def feed(self, chunk: bytes) -> list[Fed]:
        """The messages that these bytes complete."""

    def end(self) -> list[Fed]:
        """The messages that the end of the stream completes."""

    def frame(self, body: bytes) -> bytes:
        """The bytes to write for a message; `body` is encoded JSON without a newline."""

    def frame_parts(self, parts: list[bytes]) -> list[bytes]:
        """The same for a long message in parts: the pieces to write, in order."""


def detect(first_byte: bytes) -> Literal["lines", "websocket"]:
    """The framing of a connection, by its first byte: an upgrade begins with GET.

    JSON cannot begin with a G. All other input is treated as lines, which refuse invalid JSON.
    """
    return "websocket" if first_byte[:1] == b"G" else "lines"


class Lines:
    """Newline-delimited JSON; empty lines are skipped."""

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._begun = bytearray()  # the incomplete line
        self._skipping = False  # within a line that was too long

    def feed(self, chunk: bytes) -> list[Fed]:
        *ends, rest = chunk.split(b"\n")
        fed: list[Fed] = []
        for end in ends:
            fed += self._end(end)
        return fed + self._grow(rest)

    def end(self) -> list[Fed]:
        """The last line needs no newline; an incomplete last line is an unreadable message."""
        line = bytes(self._begun)
        self._begun.clear()
        return [line] if line.strip() else []

    def frame(self, body: bytes) -> bytes:
        return body + b"\n"

    def frame_parts(self, parts: list[bytes]) -> list[bytes]:
        return [*parts, b"\n"]

    def _end(self, piece: bytes) -> list[Fed]:
        """End the line; returns nothing for a line that is empty or was too long."""
        fed: list[Fed] = []
        line = piece
        if self._begun or self._skipping or len(piece) > self._bytes_max:
            fed = self._grow(piece)
            line = bytes(self._begun)
            self._begun.clear()
            self._skipping = False
        return [*fed, line] if line.strip() else fed

    def _grow(self, piece: bytes) -> list[Fed]:
        """Add to the line, unless that makes it too long."""
        if self._skipping:
            return []
        if len(self._begun) + len(piece) <= self._bytes_max:
            self._begun += piece
            return []
        head = bytes(self._begun[:HEAD_BYTES]) + piece[:HEAD_BYTES]
        self._begun.clear()
        self._skipping = True
        return [OverlongMessage(self._bytes_max, id_in(head))]
