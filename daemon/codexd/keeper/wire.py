"""What daemon and keeper say to each other over a Unix socket: messages that are lists of byte strings.

    message = length (4 bytes, big endian) | fields;  field = length (4 bytes) | bytes

A request of the daemon is a number, a verb, and what follows here. A message of the keeper is the number of the
request that it answers, or 0 for a note; how many descriptors are beside its first byte; and what follows here.

    hello   codexd-keeper version pid                             the first note of the keeper
    start   kind, id, owner, cwd, umask, input, errors, rows, columns, count, argv…, NAME=value…
                                   -> ok pid start_time (spools, or input, output and errors of a server)
                                   -> folder reason | program reason | input reason
    find    id                     -> ok pid start_time, then a state (spools) | none
    owned                          -> ok, then eight fields for each process
    write   id data                -> ok | closed
    close_input id, resize id rows columns                        -> ok
    end     id forget              -> ok, when all of it is gone; with "forget" it is forgotten then
    forget  id                     no answer; a process that runs is ended first
    state   id stdout stderr code milliseconds                    a note of the keeper: how much was written, and the end
"""

from __future__ import annotations

import array
import socket
import struct

VERSION = b"1"
NAME = b"codexd-keeper"
# The system takes 2 MiB of arguments and environment, rarely up to 6; anything longer is no message of ours.
MESSAGE_BYTES_MAX = 8 << 20
READ_BYTES_MAX = 1 << 16
FDS_MAX = 8  # in one read: a message has three at most

_LENGTH = struct.Struct(">I")


class Malformed(Exception):
    """The other side sent bytes that are no message."""


def pack(*fields: bytes) -> bytes:
    """A message."""
    parts = [b""]
    for field in fields:
        parts.append(_LENGTH.pack(len(field)))
        parts.append(field)
    parts[0] = _LENGTH.pack(sum(map(len, parts)))
    return b"".join(parts)


class Messages:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[list[bytes]]:
        """More came: the messages that are whole now. Raises: Malformed."""
        self._bytes += data
        found, offset = [], 0
        while len(self._bytes) >= offset + 4:
            (length,) = _LENGTH.unpack_from(self._bytes, offset)
            if length > MESSAGE_BYTES_MAX:
                raise Malformed(
                    f"expected a message of at most {MESSAGE_BYTES_MAX} bytes, found {length}"
                )
            if len(self._bytes) < offset + 4 + length:
                break
            found.append(_fields(bytes(self._bytes[offset + 4 : offset + 4 + length])))
            offset += 4 + length
        del self._bytes[:offset]
        return found


def _fields(body: bytes) -> list[bytes]:
    fields, offset = [], 0
    while offset < len(body):
        if len(body) < offset + 4:
            raise Malformed("expected a field, found the end of its message")
        (length,) = _LENGTH.unpack_from(body, offset)
        offset += 4
        if len(body) < offset + length:
            raise Malformed("expected a field, found the end of its message")
        fields.append(body[offset : offset + length])
        offset += length
    return fields


def fds_in(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that came beside a message."""
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return fds.tolist()


def fds_beside(fds: tuple[int, ...]) -> list[tuple[int, int, bytes]]:
    """Descriptors, to go beside a message."""
    if not fds:
        return []
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds).tobytes())]
