"""A tunnel leads to the name that was admitted: by its address, and by what its first bytes ask for."""

from __future__ import annotations

import re
import ssl

import pytest
import trio

from proxy_house import (
    OK,
    OTHER,
    PUBLIC,
    RecordingServer,
    connect_to,
    echo,
    proxy_house,
    read_all,
    read_head,
    rules,
)
from trio_test import trio_test

LISTED = rules(("example.com",))


def client_hello(name: str | None) -> bytes:
    """The first bytes of a real TLS client."""
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    context.check_hostname = False
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


@trio_test
async def test_a_listed_name_is_reached_by_the_address_that_was_checked() -> None:
    async with proxy_house(LISTED, echo) as house, house.connect() as client:
        await client.send_all(connect_to("Example.com.:443"))
        assert (await read_head(client)).startswith(b"HTTP/1.1 200 ")
        # Bytes that are no text and no TLS: carried as they are, both ways, to each side's end.
        await client.send_all(b"\0one")
        assert await client.receive_some(100) == b"\0one"
        await client.send_all(b"two")
        await client.send_eof()
        assert await read_all(client) == b"two"
    assert house.internet.connected == [(PUBLIC, 443)]
    assert house.internet.looked_up == ["example.com"]


@trio_test
async def test_bytes_that_follow_the_request_at_once_are_carried() -> None:
    async with proxy_house(LISTED, echo) as house, house.connect() as client:
        await client.send_all(connect_to("example.com:22") + b"\0early")
        await client.send_eof()
        assert (await read_head(client)).startswith(b"HTTP/1.1 200 ")
        assert await read_all(client) == b"\0early"


@trio_test
async def test_a_server_that_speaks_first_is_heard() -> None:
    async def greeting(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(b"220 ready\r\n")
            await read_all(stream)

    async with proxy_house(LISTED, greeting) as house, house.connect() as client:
        await client.send_all(connect_to("example.com:25"))
        await read_head(client)
        assert await client.receive_some(100) == b"220 ready\r\n"


@pytest.mark.parametrize(
    ("authority", "status", "why"),
    [
        ("evil.org:443", 403, "not in the list"),
        ("bad.example.com:443", 403, "denied"),
        ("127.0.0.1:22", 403, "not on the internet"),
        ("[::ffff:169.254.169.254]:80", 403, "169.254.169.254:80 is not on the internet"),
        ("localhost:5432", 403, "not on the internet"),
        ("8.8.8.8:53", 403, "not in the list"),
        ("2130706433:80", 400, "usual form"),
        ("0x7f.1:80", 400, "usual form"),
        ("[fe80::1%25eth0]:80", 400, "without a zone"),
        ("example.com", 400, "expected a port"),
        ("example.com:0", 400, "expected a port"),
        ("user@example.com:443", 400, "expected the name"),
        ("example.com:443/", 400, "expected a port"),
        ("example.com%2eevil.org:443", 400, "without a zone"),
        ("a" * 300 + ".com:443", 400, "expected"),
        ("lost.example.com:443", 502, "was not found: Name or service not known"),
    ],
)
@trio_test
async def test_a_name_that_may_not_be_reached_is_refused(
    authority: str, status: int, why: str
) -> None:
    listed = rules(("**.example.com",), ("bad.example.com",))
    async with proxy_house(listed, echo) as house:
        answer = await house.say(connect_to(authority))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    # In the body for a person, and in the reason phrase, which is all that most programs show.
    assert why in body.decode()
    assert why in head.split(b"\r\n")[0].decode()
    assert house.internet.connected == []
    if status == 403:
        assert b"x-proxy-error: blocked-by-" in head.lower()
        assert house.gate.refusals == [body.decode().strip()]


@trio_test
async def test_a_name_that_leads_to_a_private_address_is_refused() -> None:
    names = {"a.com": ("10.0.0.1",), "b.com": ("127.0.0.1", PUBLIC), "c.com": ("64:ff9b::a00:1",)}
    async with proxy_house(rules(("*",)), echo, names=names) as house:
        assert b" 403 a.com:443 leads to 10.0.0.1, which is private" in await house.say(
            connect_to("a.com:443")
        )
        assert b" 403 " in await house.say(connect_to("c.com:443"))
        # Of several addresses those that are on the internet are used.
        assert b" 200 " in await house.say(connect_to("b.com:443") + b"\0")
    assert house.internet.connected == [(PUBLIC, 443)]


@trio_test
async def test_a_name_that_changes_where_it_leads_gains_nothing() -> None:
    async with proxy_house(LISTED, echo) as house:

        async def resolve_once(host: str, port: int) -> list[object]:
            found = await type(house.internet).resolve(house.internet, host, port)
            house.internet.names[host] = ("127.0.0.1",)
            return list(found)

        outside = type(house.proxy.outside)(resolve_once, house.internet.connect)  # type: ignore[arg-type]
        house.proxy = type(house.proxy)(house.gate, outside)
        assert b" 200 " in await house.say(connect_to("example.com:443") + b"\0")
        # It was looked up once, and that very address was used.
        assert house.internet.looked_up == ["example.com"]
        assert house.internet.connected == [(PUBLIC, 443)]
        assert b" 403 " in await house.say(connect_to("example.com:443"))
        assert house.internet.connected == [(PUBLIC, 443)]


@trio_test
async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    names = {"example.com": ("2606:4700::1", PUBLIC)}
    async with proxy_house(LISTED, echo, names=names) as house:
        house.internet.unreachable = frozenset({"2606:4700::1"})
        assert b" 200 " in await house.say(connect_to("example.com:443") + b"\0")
        assert house.internet.connected == [("2606:4700::1", 443), (PUBLIC, 443)]
        house.internet.unreachable = frozenset({"2606:4700::1", PUBLIC})
        answer = await house.say(connect_to("example.com:443"))
        assert b" 502 codexd: example.com:443 was not reached" in answer


@trio_test
async def test_a_name_that_is_not_listed_is_asked_about() -> None:
    async with proxy_house(LISTED, echo, accepts=frozenset({"other.com"})) as house:
        assert b" 200 " in await house.say(connect_to("other.com:443") + b"\0")
        assert b" 403 " in await house.say(connect_to("evil.org:443"))
    asked = [(asked.host, asked.port, asked.protocol) for asked in house.gate.asked]
    assert asked == [("other.com", 443, "https"), ("evil.org", 443, "https")]
    assert house.internet.connected == [(OTHER, 443)]


@trio_test
async def test_tls_to_the_name_of_the_tunnel_is_carried() -> None:
    async with proxy_house(rules(("example.com", "*.example.com", "1.1.1.1")), echo) as house:
        for host, name in (
            ("example.com", "example.com"),
            ("example.com", "EXAMPLE.com"),
            ("example.com", "www.example.com"),  # listed as well
            ("example.com", None),
            (
                "1.1.1.1",
                "anything.org",
            ),  # Whoever may reach an address may reach all that it serves.
        ):
            hello = client_hello(name)
            assert await house.within_tunnel(host, hello + b"more") == hello + b"more", name


@trio_test
async def test_tls_to_another_name_behind_the_same_address_is_ended() -> None:
    server = RecordingServer(b"")
    async with proxy_house(rules(("example.com", "1.1.1.1"), ("evil.net",)), server) as house:
        assert await house.within_tunnel("example.com", client_hello("evil.org")) == b""
        assert await house.within_tunnel("1.1.1.1", client_hello("evil.net")) == b""
    assert "asks in TLS for 'evil.org'" in house.gate.refusals[0]
    assert server.received == [b"", b""]


def in_records(hello: bytes, size: int) -> bytes:
    """The same ClientHello in records of so many bytes."""
    body = hello[5:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(hello[:3] + len(part).to_bytes(2) + part for part in parts)


@trio_test
async def test_a_client_hello_in_pieces_is_read_as_a_whole() -> None:
    good, evil = client_hello("example.com"), client_hello("evil.org")
    async with proxy_house(LISTED, echo) as house:
        async with house.connect() as client:
            await client.send_all(connect_to("example.com:443"))
            await read_head(client)
            for at in range(0, len(good), 40):
                await client.send_all(good[at : at + 40])
                await trio.testing.wait_all_tasks_blocked()
            assert await client.receive_some(65536) == good
        split = in_records(good, 100)
        assert await house.within_tunnel("example.com", split) == split
        assert await house.within_tunnel("example.com", in_records(evil, 100)) == b""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda hello: in_records(hello, 1),  # in more records than any client uses
        lambda hello: hello[:5] + b"\x02" + hello[6:],  # no ClientHello
        lambda hello: hello[:3] + b"\xff\xff" + hello[5:],  # a record longer than records are
        lambda hello: hello[:3] + b"\0\0" + hello[5:],  # an empty one
        lambda hello: hello[:43] + b"\xff" + hello[44:],  # a length beyond its end
        lambda hello: hello[:100],  # cut off
        lambda hello: hello.replace(b"example.com", b"example.co\xff"),
        lambda hello: hello.replace(b"example.com", b"example.\0om"),
    ],
)
@trio_test
async def test_a_client_hello_that_cannot_be_read_is_not_let_through(spoil: object) -> None:
    server = RecordingServer(b"")
    assert callable(spoil)
    async with proxy_house(LISTED, server) as house:
        assert await house.within_tunnel("example.com", spoil(client_hello("example.com"))) == b""
    assert server.received == [b""]


@trio_test
async def test_http_within_a_tunnel_is_for_the_name_of_the_tunnel() -> None:
    server = RecordingServer(OK)
    async with proxy_house(LISTED, server) as house:
        request = b"GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n"
        answer = await house.within_tunnel("example.com", request, 80)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"hi")
        assert server.received[0].startswith(b"GET /a HTTP/1.1\r\nhost: example.com\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: evil.org\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: evil.org\r\n\r\n",
        b"get / http/1.1\r\nhost: evil.org\r\n\r\n",
        b"GET /\x80 HTTP/1.1\r\nHost: evil.org\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: evil.org\r\n\r\n",
        b"GET http://evil.org/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.com\r\nHost: evil.org\r\n\r\n",
        b"GET / HTTP/1.1\nHost: evil.org\n\n",
        b"GET / HTTP/1.1\r\nHost: example.com, evil.org\r\n\r\n",
        b"CONNECT evil.org:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: evil.org\r\n\r\n",
    ],
)
@trio_test
async def test_http_within_a_tunnel_to_another_name_is_refused(sent: bytes) -> None:
    server = RecordingServer(OK)
    async with proxy_house(LISTED, server) as house:
        answer = await house.within_tunnel("example.com", sent, 80)
    assert re.match(rb"HTTP/1.1 [45]\d\d ", answer), answer
    assert server.received == [b""]
    assert len(house.gate.refusals) == 1


@trio_test
async def test_protocols_without_names_are_carried_as_they_are() -> None:
    async with proxy_house(LISTED, echo) as house:
        for sent in (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"EHLO me\r\n",
            b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
            b"*1\r\n$4\r\nPING\r\n",
            b":\0\0\0no line ends here",
        ):
            assert await house.within_tunnel("example.com", sent, 22) == sent


@trio_test
async def test_a_side_that_has_ended_may_still_hear() -> None:
    async def answers_at_the_end(stream: trio.SocketStream) -> None:
        async with stream:
            said = await read_all(stream)
            await stream.send_all(b"you said " + said)

    async with proxy_house(LISTED, answers_at_the_end) as house:
        assert await house.within_tunnel("example.com", b"\0all") == b"you said \0all"


@trio_test
async def test_a_reader_that_does_not_read_slows_the_writer() -> None:
    total = 0

    async def endless(stream: trio.SocketStream) -> None:
        nonlocal total
        async with stream:
            with trio.move_on_after(60):
                while True:
                    await stream.send_all(b"x" * 65536)
                    total += 65536

    async with proxy_house(LISTED, endless) as house, house.connect() as client:
        await client.send_all(connect_to("example.com:443"))
        await read_head(client)
        before = -1
        while total != before:  # until no more fits into the sockets' own buffers
            before = total
            for _ in range(50):
                await trio.testing.wait_all_tasks_blocked()
    assert total < 64 * 1024 * 1024


@trio_test
async def test_a_server_that_breaks_off_ends_the_tunnel_and_nothing_else() -> None:
    async def breaks(stream: trio.SocketStream) -> None:
        await stream.receive_some(10)
        stream.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: reset
        await stream.aclose()

    async with proxy_house(LISTED, breaks) as house:
        assert await house.within_tunnel("example.com", b"\0hello") == b""
        assert b" 403 " in await house.say(connect_to("evil.org:443"))


@trio_test(autojump=True)
async def test_a_client_that_says_nothing_does_not_hold_a_place() -> None:
    async with proxy_house(LISTED, echo) as house:
        async with house.connect() as silent:
            assert await read_all(silent) == b""
        async with house.connect() as slow:
            await slow.send_all(b"CONNECT example.com:443 HTTP/1.1\r\nHost: exam")
            assert (await read_all(slow)).startswith(b"HTTP/1.1 408 ")
        async with house.connect() as idle:
            await idle.send_all(connect_to("example.com:443"))
            await read_head(idle)
            assert await read_all(idle) == b""
