"""The server's name in the first bytes of a TLS connection (SNI); sans-IO.

A name's address is often shared by many sites, so without this check a list would allow all of them. The bytes
are the sender's: what cannot be read as a whole is not let through. Sources: RFC 8446 4.1.2 and 5.1, RFC 6066 3.
"""

from __future__ import annotations

from typing import Final

# Keys for later algorithms make it some kilobytes; more than one record may carry it.
HELLO_BYTES_MAX: Final = 64 * 1024
RECORDS_MAX: Final = 16  # a ClientHello has one or two, and each read looks at all of them

_HANDSHAKE_RECORD: Final = 22
_VERSION_MAJOR: Final = 3
_RECORD_BYTES_MAX: Final = 1 << 14
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0


class BadHello(ValueError):
    """The bytes begin as TLS, and are no ClientHello that can be read."""


class _Short(Exception):
    """More bytes are needed."""


class _Reader:
    """Reads numbers and vectors from bytes, to their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """Raises: _Short."""
        end = self._at + count
        if end > len(self._data):
            raise _Short
        found, self._at = self._data[self._at : end], end
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        """A vector with its length before it, in `size` bytes."""
        return self.take(self.number(size))

    @property
    def is_done(self) -> bool:
        return self._at == len(self._data)


def is_tls(first: bytes) -> bool:
    """Whether a connection that begins with these bytes, at least one, may be TLS."""
    return first[0] == _HANDSHAKE_RECORD


def server_names(data: bytes) -> tuple[str, ...] | None:
    """The names in a ClientHello: none, or one; None if more bytes are needed. Raises: BadHello."""
    try:
        handshake = _handshake(data)
    except _Short:
        if len(data) >= HELLO_BYTES_MAX:
            raise BadHello(f"expected it within {HELLO_BYTES_MAX} bytes") from None
        return None
    try:
        return _names(handshake)
    except _Short:
        raise BadHello("a length in it leads beyond its end") from None


def _handshake(data: bytes) -> bytes:
    """The body of the first handshake message, out of as many records as it takes. Raises: _Short, BadHello."""
    records, message = _Reader(data), b""
    for _ in range(RECORDS_MAX):
        kind, major = records.number(1), records.number(1)
        if (kind, major) != (_HANDSHAKE_RECORD, _VERSION_MAJOR):
            raise BadHello("expected records of a handshake")
        records.number(1)
        size = records.number(2)
        if not 0 < size <= _RECORD_BYTES_MAX:
            raise BadHello("expected a record of a usual length")
        message += records.take(size)
        if message[0] != _CLIENT_HELLO:
            raise BadHello("expected a ClientHello")
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4]):  # the header
            return message[4 : 4 + int.from_bytes(message[1:4])]
    raise BadHello(f"expected it within {RECORDS_MAX} records")


def _names(hello: bytes) -> tuple[str, ...]:
    """Raises: _Short, BadHello."""
    reader = _Reader(hello)
    reader.take(2 + 32)  # version, random
    reader.vector(1)  # session
    reader.vector(2)  # cipher suites
    reader.vector(1)  # compressions
    if reader.is_done:
        return ()
    extensions = _Reader(reader.vector(2))
    if not reader.is_done:
        raise BadHello("bytes follow its extensions")
    found: list[str] = []
    while not extensions.is_done:
        kind, body = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            found.append(_host_name(body))
    if len(found) > 1:
        raise BadHello("it names its server twice")
    return tuple(found)


def _host_name(extension: bytes) -> str:
    outer = _Reader(extension)
    names = _Reader(outer.vector(2))
    kind, name = names.number(1), names.vector(2)
    if kind != _HOST_NAME or not names.is_done or not outer.is_done:
        raise BadHello("expected one name of its server")
    try:
        return name.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadHello("expected the server's name in ASCII") from error
