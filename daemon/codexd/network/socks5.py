"""SOCKS5 without a password: what a client asks for, and the answers. I/O. Source: RFC 1928."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from codexd.core.values.hosts import BadHost, read_host, read_port
from codexd.network.gate import Destination
from codexd.network.streams import ReadFirst

VERSION: Final = 5
GRANTED: Final = 0
FAILED: Final = 1
NOT_ALLOWED: Final = 2
UNREACHABLE: Final = 4
_NO_SUCH_COMMAND: Final = 7
_NO_SUCH_ADDRESS: Final = 8
_NO_PASSWORD: Final = 0
_NO_WAY: Final = 0xFF
_CONNECT: Final = 1
_NAME: Final = 3
_ADDRESS_BYTES: Final = {1: 4, 4: 16}


class BadSocks(Exception):
    """A client asks for what is not offered, or speaks another protocol; it has its answer."""


async def asked_by_socks(client: ReadFirst) -> Destination:
    """What a client asks for. Raises: BadSocks, EOFError, BrokenResourceError."""
    version, methods = await client.take_exactly(2)
    offered = await client.take_exactly(methods)
    if version != VERSION or _NO_PASSWORD not in offered:
        await client.stream.send_all(bytes((VERSION, _NO_WAY)))
        raise BadSocks("expected a client of SOCKS5 that needs no password")
    await client.stream.send_all(bytes((VERSION, _NO_PASSWORD)))
    version, command, _, kind = await client.take_exactly(4)
    if version != VERSION:
        await answer(client, FAILED)
        raise BadSocks("expected a request of SOCKS5")
    if kind == _NAME:
        (size,) = await client.take_exactly(1)
        raw = await client.take_exactly(size)
    elif kind in _ADDRESS_BYTES:
        raw = str(ip_address(await client.take_exactly(_ADDRESS_BYTES[kind]))).encode()
    else:
        await answer(client, _NO_SUCH_ADDRESS)
        raise BadSocks("expected a name, or an address of IPv4 or IPv6")
    port = int.from_bytes(await client.take_exactly(2))
    if command != _CONNECT:
        await answer(client, _NO_SUCH_COMMAND)
        raise BadSocks("only connections by TCP are offered, no UDP and no listening")
    try:
        text = raw.decode("ascii")
        return Destination(read_host(text), read_port(str(port), f"{text}:{port}"), "socks5Tcp")
    except (BadHost, UnicodeDecodeError) as error:
        await answer(client, FAILED)
        raise BadSocks(str(error)) from error


async def answer(client: ReadFirst, code: int) -> None:
    """Answer a request; the address from which the connection goes out is not told. Raises: BrokenResourceError."""
    await client.stream.send_all(bytes((VERSION, code, 0, 1)) + bytes(6))
