"""SOCKS5 leads to the same places as HTTP does, by name and by address, and offers nothing else."""

from __future__ import annotations

import pytest

from proxy_house import OK, PUBLIC, RecordingServer, echo, proxy_house, read_all, rules
from trio_test import trio_test

LISTED = rules(("example.com", "1.1.1.1", "2606:4700::1111"))
HELLO = b"\x05\x01\x00"


def by_name(name: bytes, port: int = 443, command: int = 1, length: int | None = None) -> bytes:
    size = len(name) if length is None else length
    return bytes((5, command, 0, 3, size)) + name + port.to_bytes(2)


@pytest.mark.parametrize(
    ("request_", "reached"),
    [
        (by_name(b"Example.com"), (PUBLIC, 443)),
        (b"\x05\x01\x00\x01\x01\x01\x01\x01\x00\x50", ("1.1.1.1", 80)),
        (
            b"\x05\x01\x00\x04" + bytes.fromhex("26064700000000000000000000001111") + b"\x00\x50",
            ("2606:4700::1111", 80),
        ),
        (by_name(b"1.1.1.1", 80), ("1.1.1.1", 80)),
    ],
)
@trio_test
async def test_a_listed_place_is_reached(request_: bytes, reached: tuple[str, int]) -> None:
    async with proxy_house(LISTED, echo) as house:
        found = await house.say(HELLO + request_ + b"\0early")
    assert found == b"\x05\x00" + b"\x05\x00\x00\x01" + bytes(6) + b"\0early"
    assert house.internet.connected == [reached]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (by_name(b"evil.org"), 2),
        (by_name(b"localhost"), 2),
        (b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", 2),
        (b"\x05\x01\x00\x04" + bytes(10) + b"\xff\xff\xa9\xfe\xa9\xfe\x00\x50", 2),
        (by_name(b"lost.example.com"), 4),
        (by_name(b""), 1),
        (by_name(b"example.com\0.evil.org"), 1),
        (by_name(b"ex\xffample.com"), 1),
        (by_name(b"127.1"), 1),
        (by_name(b"example.com", 0), 1),
        (by_name(b"example.com", command=2), 7),  # listen
        (by_name(b"example.com", command=3), 7),  # UDP
        (b"\x05\x01\x00\x02\x01\x01\x01\x01\x00\x50", 8),
        (b"\x04\x01\x00\x01\x01\x01\x01\x01\x00\x50", 1),
    ],
)
@trio_test
async def test_what_is_not_allowed_or_not_offered_is_refused(request_: bytes, code: int) -> None:
    async with proxy_house(rules(("**.example.com",)), echo) as house:
        found = await house.say(HELLO + request_)
    assert found == bytes((5, 0, 5, code, 0, 1)) + bytes(6)
    assert house.internet.connected == []


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"\x05\x01\x02", b"\x05\xff"),  # a password only
        (b"\x05\x00", b"\x05\xff"),
        (b"\x05\x02\x01\x02", b"\x05\xff"),
        (b"\x05", b""),
        (b"\x05\xff\x00", b""),  # fewer methods than it says
        (HELLO + b"\x05\x01", b"\x05\x00"),
        (HELLO + by_name(b"example.com", length=200), b"\x05\x00"),  # a shorter name than it says
    ],
)
@trio_test
async def test_a_client_whose_lengths_lie_gets_nothing(sent: bytes, answer: bytes) -> None:
    async with proxy_house(LISTED, echo) as house:
        assert await house.say(sent) == answer
    assert house.internet.connected == []


@trio_test
async def test_a_name_that_is_shorter_than_its_length_takes_the_port_with_it() -> None:
    async with proxy_house(LISTED, echo) as house:
        found = await house.say(HELLO + by_name(b"example.com", length=12) + b"\0\0\0")
    assert found == b"\x05\x00" + bytes((5, 1, 0, 1)) + bytes(6)


@trio_test
async def test_plain_http_over_socks_is_for_the_name_that_was_admitted() -> None:
    server = RecordingServer(OK)
    async with proxy_house(LISTED, server) as house:
        start = HELLO + by_name(b"example.com", 80)
        answer = await house.say(start + b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert b"HTTP/1.1 200 OK" in answer
        answer = await house.say(start + b"GET / HTTP/1.1\r\nHost: evil.org\r\n\r\n")
        assert b"HTTP/1.1 421 " in answer
    assert server.received[1] == b""


@trio_test(autojump=True)
async def test_a_client_that_does_not_ask_does_not_hold_a_place() -> None:
    async with proxy_house(LISTED, echo) as house, house.connect() as client:
        await client.send_all(HELLO)
        assert await read_all(client) == b"\x05\x00"
