"""A request of plain HTTP is read as a whole and written again, to the machine that its URI and its `Host` name."""

from __future__ import annotations

import pytest
import trio

from proxy_house import OK, PUBLIC, RecordingServer, proxy_house, read_all, rules
from trio_test import trio_test

LISTED = rules(("example.com",))


@trio_test
async def test_a_request_goes_to_the_machine_of_its_uri() -> None:
    server = RecordingServer(OK)
    async with proxy_house(LISTED, server) as house:
        answer = await house.say(
            b"GET http://Example.com:8080/a?b=c HTTP/1.1\r\nHost: example.COM.:8080\r\nAccept: */*\r\n"
            b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\n"
            b"Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nX-Yours: 2\r\n\r\n"
        )
    assert house.internet.connected == [(PUBLIC, 8080)]
    assert server.received == [
        b"GET /a?b=c HTTP/1.1\r\nhost: example.COM.:8080\r\naccept: */*\r\nx-yours: 2\r\nconnection: close\r\n\r\n"
    ]
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://example.com", b"/"),
        (b"HTTP://example.com?q", b"/?q"),
        (b"http://example.com//etc/../x", b"//etc/../x"),
    ],
)
@trio_test
async def test_a_path_is_left_as_it_is(target: bytes, path: bytes) -> None:
    server = RecordingServer(OK)
    async with proxy_house(LISTED, server) as house:
        await house.say(b"GET %s HTTP/1.0\r\n\r\n" % target)
    assert server.received[0].startswith(b"GET %s HTTP/1.1\r\nhost: example.com:80\r\n" % path)


@pytest.mark.parametrize(
    ("framing", "sent", "received"),
    [
        (b"content-length: 5", b"hello", b"hello"),
        (
            b"transfer-encoding: chunked",
            b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ),
    ],
)
@trio_test
async def test_bodies_of_both_kinds_are_carried(
    framing: bytes, sent: bytes, received: bytes
) -> None:
    server = RecordingServer(OK, after=b"\r\n\r\n" + received)
    async with proxy_house(LISTED, server) as house:
        head = b"POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n" + framing
        assert b" 200 OK" in await house.say(head + b"\r\n\r\n" + sent)
    assert server.received[0].endswith(framing + b"\r\nconnection: close\r\n\r\n" + received)


@trio_test
async def test_a_second_request_is_not_hidden_behind_the_first() -> None:
    """Whatever two readers could disagree about, the server gets one request, as the proxy has read it."""
    server = RecordingServer(OK)
    evil = b"GET http://evil.org/ HTTP/1.1\r\nHost: evil.org\r\n\r\n"
    head = b"POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n"
    async with proxy_house(LISTED, server) as house:
        await house.say(head + b"\r\n" + evil)
        await house.say(
            head + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil
        )
    assert all(b"evil" not in received for received in server.received)
    assert all(received.count(b"content-length") == 0 for received in server.received)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://evil.org/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: evil.org\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: example.com:81\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nHost: evil.org\r\n\r\n", 400),
        (
            b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nhost: example.com\r\n\r\n",
            400,
        ),
        (b"GET http://example.com/ HTTP/1.1\r\nHost : evil.org\r\nHost: example.com\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: \xff.com\r\n\r\n", 400),
        (b"GET http://example.com@evil.org/ HTTP/1.1\r\nHost: evil.org\r\n\r\n", 400),
        (b"GET http://evil.org\\@example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET http://example.com#@evil.org/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET http://evil.org/ HTTP/1.1\r\nHost: evil.org\r\n\r\n", 403),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 403),
        (b"GET http://[::ffff:a9fe:a9fe]/ HTTP/1.1\r\nHost: [::ffff:a9fe:a9fe]\r\n\r\n", 403),
        (b"GET http://0x7f.1/ HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n", 400),
        (b"GET https://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET ftp://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET http:/example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET http:///x HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n X: folded\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/2.0\r\nHost: example.com\r\n\r\n", 505),
        (
            b"POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1, 2\r\n\r\n",
            400,
        ),
        (
            b"POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\nContent-Length: +1\r\n\r\n",
            400,
        ),
        (
            b"POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: x\r\n\r\n",
            501,
        ),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", 400),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nX: " + b"a" * 100_000, 431),
    ],
)
@trio_test
async def test_a_request_that_is_unclear_or_not_allowed_is_refused(
    sent: bytes, status: int
) -> None:
    server = RecordingServer(OK)
    async with proxy_house(LISTED, server) as house:
        answer = await house.say(sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert server.received == []
    assert house.internet.connected == []


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, b"hi"),
    ],
)
@trio_test
async def test_answers_of_each_kind_are_carried(answer: bytes, whole: bytes) -> None:
    async with proxy_house(LISTED, RecordingServer(answer)) as house:
        found = await house.say(b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert found.startswith(answer[:12])
    assert b"connection: close" in found
    assert whole in found


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nA: ",
    ],
)
@trio_test
async def test_an_answer_that_cannot_be_read_is_an_error(answer: bytes) -> None:
    async with proxy_house(LISTED, RecordingServer(answer)) as house:
        found = await house.say(b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 502 ")


@trio_test
async def test_a_head_request_has_no_body() -> None:
    async with proxy_house(
        LISTED, RecordingServer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    ) as house:
        found = await house.say(b"HEAD http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert found.lower().startswith(b"http/1.1 200 ok\r\ncontent-length: 99\r\n")
    assert found.endswith(b"\r\n\r\n")


@trio_test
async def test_a_websocket_is_carried_and_no_other_upgrade() -> None:
    async def switching(stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive_some(65536)
            if b"upgrade: websocket" not in received:
                await stream.send_all(OK)
                return
            await stream.send_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst"
            )
            await stream.send_all(b"echo " + await stream.receive_some(65536))

    async with proxy_house(LISTED, switching) as house:
        head = b"GET http://example.com/ws HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: "
        async with house.connect() as client:
            await client.send_all(head + b"websocket\r\n\r\n")
            found = b""
            while b"first" not in found:
                found += await client.receive_some(65536)
            assert found.startswith(b"HTTP/1.1 101 ")
            await client.send_all(b"\x81\x00")
            assert await read_all(client) == b"echo \x81\x00"
        # Over HTTP/2 requests to other names could follow.
        assert (await house.say(head + b"h2c\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@trio_test
async def test_a_body_that_is_waited_for_is_asked_for() -> None:
    async def asks(stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive_some(65536)
            await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            while b"body" not in received:
                received += await stream.receive_some(65536)
            await stream.send_all(OK)

    async with proxy_house(LISTED, asks) as house, house.connect() as client:
        await client.send_all(
            b"PUT http://example.com/ HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\n"
            b"Content-Length: 4\r\n\r\n"
        )
        assert (await client.receive_some(65536)).startswith(b"HTTP/1.1 100 ")
        await client.send_all(b"body")
        assert (await read_all(client)).startswith(b"HTTP/1.1 200 ")
