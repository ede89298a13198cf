"""Bytes to messages and back: RFC 6455, the server's side. Sans-IO, with the calls of `framing`.

Law: one text message is one JSON-RPC message, bounded like a line. A binary message ends the connection with a
reason; Codex does not answer it, and its client waits for ever. wsproto does the handshake and reads frames.
Outgoing messages are framed here, so that a notification is framed once for all clients: a server's frames are
not masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codexd.protocol.wire.framing import (
    HEAD_BYTES,
    MESSAGE_BYTES_MAX,
    Fed,
    Hangup,
    OverlongMessage,
    Send,
)
from codexd.protocol.wire.request_ids import id_in

if TYPE_CHECKING:
    from wsproto.events import Event

# A real client's upgrade request has 300 bytes; with cookies and a proxy's headers it may have a few thousand.
HANDSHAKE_BYTES_MAX = 16 * 1024
LIMIT_HEADER = b"x-codex-websocket-max-unfragmented-message-bytes"
# The size of an outgoing frame: clients accept no larger ones by default, and we announce the same limit.
FRAGMENT_BYTES_MAX = MESSAGE_BYTES_MAX
UNSUPPORTED_DATA = 1003  # RFC 6455, 7.4.1
BINARY = "expected JSON-RPC in text messages, found a binary message"

_HEAD_END = b"\r\n\r\n"
_REFUSAL = (
    "codexd speaks JSON-RPC here, one JSON value a line or in the text messages of a WebSocket.\n"
    "Expected a WebSocket upgrade, found something else: {}.\n"
)


def frame(body: bytes) -> bytes:
    """One unmasked text message (RFC 6455, 5.2), in fragments if it is larger than one frame may be."""
    length = len(body)
    if length < 126:
        return b"\x81%c%b" % (length, body)
    if length < 1 << 16:
        return b"\x81\x7e%b%b" % (length.to_bytes(2, "big"), body)
    if length <= FRAGMENT_BYTES_MAX:
        return b"\x81\x7f%b%b" % (length.to_bytes(8, "big"), body)
    return b"".join(fragments(body, FRAGMENT_BYTES_MAX))


def fragments(
    body: bytes, bytes_max: int, *, first: bool = True, last: bool = True
) -> Iterator[bytes]:
    """A message, or a part of a message, in fragments of at most `bytes_max` bytes; `first` and `last` mark its ends."""
    for start in range(0, len(body), bytes_max):
        piece = body[start : start + bytes_max]
        ends = last and start + bytes_max >= len(body)
        opcode = (0x01 if first and not start else 0x00) | (0x80 if ends else 0)
        yield b"%c%b" % (opcode, frame(piece)[1:])


class WebSocket:
    """The server's side of one connection, from the upgrade request on."""

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        from wsproto import ConnectionType, WSConnection  # 30 ms, which only this framing needs

        self._connection = WSConnection(ConnectionType.SERVER)
        self._bytes_max = bytes_max
        self._head = bytearray()  # the incomplete upgrade request
        self._message = bytearray()  # the incomplete text message
        self._skipping = False  # within a message that was too long
        self._open = False
        self._over = False

    def feed(self, chunk: bytes) -> list[Fed]:
        """The messages that these bytes complete; none after a `Hangup`."""
        if self._over:
            return []
        if self._open:
            return self._read(chunk)
        self._head += chunk
        end = self._head.find(_HEAD_END) + len(_HEAD_END)
        if end < len(_HEAD_END):
            long = len(self._head) > HANDSHAKE_BYTES_MAX
            return [self._refuse(f"over {HANDSHAKE_BYTES_MAX} bytes of headers")] if long else []
        # The bytes after the head belong to the open connection; wsproto would drop them.
        head, rest = bytes(self._head[:end]), bytes(self._head[end:])
        self._head.clear()
        return [self._upgrade(head), *self.feed(rest)]

    def end(self) -> list[Fed]:
        """An incomplete message is dropped, since its sender has disconnected."""
        return []

    def frame(self, body: bytes) -> bytes:
        return frame(body)

    def frame_parts(self, parts: list[bytes]) -> list[bytes]:
        """A long message in parts: each part in fragments of its own, if a frame cannot hold the whole message."""
        if sum(map(len, parts)) <= FRAGMENT_BYTES_MAX:
            return [frame(b"".join(parts))]
        return [
            fragment
            for nth, part in enumerate(parts, 1)
            for fragment in fragments(
                part, FRAGMENT_BYTES_MAX, first=nth == 1, last=nth == len(parts)
            )
        ]

    def _upgrade(self, head: bytes) -> Fed:
        from wsproto.events import AcceptConnection
        from wsproto.utilities import RemoteProtocolError

        try:
            self._connection.receive_data(head)
            # Any path is accepted; subprotocols, extensions and Origin are ignored.
            limit = (LIMIT_HEADER, b"%d" % MESSAGE_BYTES_MAX)
            answer = self._connection.send(AcceptConnection(extra_headers=[limit]))
        except (RemoteProtocolError, UnicodeError) as error:  # UnicodeError: an invalid host
            return self._refuse(str(error))
        self._open = True
        return Send(answer)

    def _refuse(self, found: str) -> Hangup:
        self._over = True
        body = _REFUSAL.format(found).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return Hangup(head.encode() + body, f"no WebSocket upgrade: {found}")

    def _read(self, chunk: bytes) -> list[Fed]:
        self._connection.receive_data(chunk)
        fed: list[Fed] = []
        for event in self._connection.events():
            fed += self._said(event)
            if self._over:
                break
        return fed

    def _said(self, event: Event) -> list[Fed]:
        from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

        match event:
            case TextMessage():
                return self._grow(event.data.encode(), whole=event.message_finished)
            case Ping():
                return [Send(bytes(self._connection.send(event.response())))]
            case BytesMessage():
                self._over = True
                close = CloseConnection(UNSUPPORTED_DATA, BINARY)
                return [Hangup(bytes(self._connection.send(close)), BINARY)]
            case CloseConnection():  # from the peer, or from wsproto for invalid input
                self._over = True
                wire = bytes(self._connection.send(event.response()))
                return [Hangup(wire, event.reason or f"closed by the client ({int(event.code)})")]
            case _:
                return []

    def _grow(self, piece: bytes, *, whole: bool) -> list[Fed]:
        """Add to the message, unless that makes it too long; returns it if it is complete."""
        fed: list[Fed] = []
        if not self._skipping and len(self._message) + len(piece) > self._bytes_max:
            self._skipping = True
            head = bytes(self._message[:HEAD_BYTES]) + piece[:HEAD_BYTES]
            self._message.clear()
            fed.append(OverlongMessage(self._bytes_max, id_in(head)))
        if not self._skipping:
            self._message += piece
        if whole:
            if self._message.strip():
                fed.append(bytes(self._message))
            self._message.clear()
            self._skipping = False
        return fed
