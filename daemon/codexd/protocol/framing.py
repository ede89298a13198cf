r"""Bytes to messages and back: JSON, one message a line. Sans-IO: it is fed what was read, and owns no socket.

    feed(bytes)  ->  [bytes | OverlongMessage | Send | Hangup, …]     what the peer said, in order
    frame(body)  ->  bytes                                            what to write for a message

The law: a message is at most MESSAGE_BYTES_MAX long, and never more than that is kept. One that is longer
is reported once and skipped, and the connection goes on. `websocket` has the same two calls, and may
also want something sent (an answer to a ping) or hung up; lines never do.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

# 16 MiB: what the original announces as its own bound for one unfragmented message, and enough for an
# image of 12 MB in base64. Eight connections that each hold one half-read are then still 128 MiB.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024


class OverlongMessage(msgspec.Struct, frozen=True):
    """A message was longer than the bound, and was skipped."""

    bytes_max: int

    def __str__(self) -> str:
        return f"expected a message of at most {self.bytes_max} bytes, found a longer one; it was skipped"


class Send(msgspec.Struct, frozen=True):
    """Bytes that the framing itself owes the peer; to be written as they are."""

    wire: bytes


class Hangup(msgspec.Struct, frozen=True):
    """The conversation is over: write `wire`, then close. Nothing comes after it."""

    wire: bytes
    reason: str


Fed = bytes | OverlongMessage | Send | Hangup


class Framing(Protocol):
    """How messages lie in a stream of bytes."""

    def feed(self, chunk: bytes) -> list[Fed]:
        """What these bytes complete."""

    def frame(self, body: bytes) -> bytes:
        """A message as it is written; `body` is encoded JSON, which has no newline in it."""


def detect(first_byte: bytes) -> Literal["lines", "websocket"]:
    """Which framing a connection speaks, by its first byte: an upgrade begins with GET.

    JSON cannot begin with a G, so whatever else comes is taken for lines and refused there in JSON.
    """
    return "websocket" if first_byte[:1] == b"G" else "lines"


class Lines:
    """Newline-delimited JSON; empty lines are skipped."""

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._pieces: list[bytes] = []  # of the line that is not whole yet
        self._length = 0  # of the pieces together
        self._skipping = False  # the rest of a line that was too long

    def feed(self, chunk: bytes) -> list[Fed]:
        """What these bytes complete."""
        *ends, rest = chunk.split(b"\n")
        fed: list[Fed] = []
        for end in ends:
            fed += self._grow(end)
            if line := self._take():
                fed.append(line)
        return fed + self._grow(rest)

    def frame(self, body: bytes) -> bytes:
        """A message as it is written."""
        return body + b"\n"

    def _grow(self, piece: bytes) -> list[Fed]:
        """Add to the line, unless that makes it too long."""
        if self._skipping or not piece:
            return []
        self._length += len(piece)
        if self._length <= self._bytes_max:
            self._pieces.append(piece)
            return []
        self._pieces.clear()
        self._skipping = True
        return [OverlongMessage(self._bytes_max)]

    def _take(self) -> bytes:
        """End the line; nothing is left of one that was empty or skipped."""
        line = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._length = 0
        self._skipping = False
        return line if line.strip() else b""
