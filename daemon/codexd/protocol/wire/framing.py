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

from codexd.protocol.wire.request_ids import RequestId, id_in

# 16 MiB: what the original announces as its own bound for one unfragmented message, and enough for an
# image of 12 MB in base64. Eight connections that each hold one half-read are then still 128 MiB.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024


# Of a message that is too long: what is looked at for its id.
HEAD_BYTES = 4096


class OverlongMessage(msgspec.Struct, frozen=True):
    """A message was longer than the bound, and was skipped."""

    bytes_max: int
    request_id: RequestId | None = None  # as far as its beginning says

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

    def end(self) -> list[Fed]:
        """What the peer's last bytes were, when it says no more."""

    def frame(self, body: bytes) -> bytes:
        """A message as it is written; `body` is encoded JSON, which has no newline in it."""

    def frame_parts(self, parts: list[bytes]) -> list[bytes]:
        """The same for a long message that is in parts: what is to be written, one behind the other."""

    def farewell(self, reason: str) -> bytes:
        """The last thing to write when the daemon ends the connection."""


def detect(first_byte: bytes) -> Literal["lines", "websocket"]:
    """Which framing a connection speaks, by its first byte: an upgrade begins with GET.

    JSON cannot begin with a G, so whatever else comes is taken for lines and refused there in JSON.
    """
    return "websocket" if first_byte[:1] == b"G" else "lines"


class Lines:
    """Newline-delimited JSON; empty lines are skipped."""

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._begun = bytearray()  # the line that is not whole yet
        self._skipping = False  # the rest of a line that was too long

    def feed(self, chunk: bytes) -> list[Fed]:
        """What these bytes complete."""
        *ends, rest = chunk.split(b"\n")
        fed: list[Fed] = []
        for end in ends:
            fed += self._end(end)
        return fed + self._grow(rest)

    def end(self) -> list[Fed]:
        """A last line needs no newline; half of one is a message that cannot be read."""
        line = bytes(self._begun)
        self._begun.clear()
        return [line] if line.strip() else []

    def frame(self, body: bytes) -> bytes:
        """A message as it is written."""
        return body + b"\n"

    def frame_parts(self, parts: list[bytes]) -> list[bytes]:
        """A long message, in parts."""
        return [*parts, b"\n"]

    def farewell(self, reason: str) -> bytes:
        """Lines have no last word."""
        return b""

    def _end(self, piece: bytes) -> list[Fed]:
        """The line ends with this; nothing is given of one that is empty or was too long."""
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
