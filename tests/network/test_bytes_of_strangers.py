"""Whatever bytes a program sends: the proxy answers or ends the connection, and reaches nothing that is not listed."""

from __future__ import annotations

import logging
import ssl

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codexd.core.rules.network_rules import read_domains, verdict
from codexd.core.values.hosts import BadHost, read_address, read_host, read_written_host
from codexd.network.client_hello import BadHello, server_names
from proxy_house import OK, RecordingServer, connect_to, proxy_house, rules


def client_hello(name: str) -> bytes:
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


HELLO = client_hello("example.com")
# Where a change may make another message of it.
PLACES = st.integers(0, len(HELLO) - 1)


@given(st.lists(st.tuples(PLACES, st.integers(0, 255)), max_size=4), PLACES)
def test_a_spoiled_client_hello_is_read_or_refused(
    changes: list[tuple[int, int]], cut_at: int
) -> None:
    spoiled = bytearray(HELLO)
    for place, value in changes:
        spoiled[place] = value
    for sent in (bytes(spoiled), bytes(spoiled[:cut_at])):
        try:
            names = server_names(sent)
        except BadHello:
            continue
        assert names is None or len(names) <= 1


@given(st.text(max_size=80))
def test_a_host_that_is_read_is_read_as_itself(text: str) -> None:
    for read in (read_host, read_written_host):
        try:
            host = read(text)
        except BadHost:
            continue
        assert read_host(host) == host
        assert host.isascii()
        assert host == host.lower()
        assert read_address(host) is not None or not host.rpartition(".")[2].isdigit()


@given(st.text(alphabet="aA1.*:-_[]xé", max_size=30))
def test_an_entry_that_is_read_names_hosts_that_can_be_asked_for(text: str) -> None:
    try:
        listed = read_domains([text])
    except BadHost:
        return
    for host, port in listed.hosts:
        assert read_host(host) == host
        assert verdict(rules((text,)), host, port or 443) == "allowed"


PIECES = st.sampled_from(
    [
        *(b"CONNECT ", b"GET ", b"example.com", b"evil.org", b":443", b":80", b" HTTP/1.1\r\n"),
        *(
            b"Host: ",
            b"\r\n",
            b"\n",
            b"http://",
            b"/",
            b"@",
            b"\0",
            b"\x05\x01\x00",
            b"\x05\x01\x00\x03",
        ),
        *(b"\x0bexample.com\x01\xbb", b"\x08evil.org\x00\x50", b"Content-Length: 5\r\n", b"hello"),
        *(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"\x16\x03\x01", HELLO, b"127.0.0.1"),
        connect_to("example.com:443"),
    ]
)


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=12))
def test_no_bytes_break_the_proxy_or_reach_another_machine(
    caplog: pytest.LogCaptureFixture, pieces: list[bytes]
) -> None:
    async def send() -> None:
        async with proxy_house(rules(("example.com",)), RecordingServer(OK)) as house:
            with trio.fail_after(30):
                await house.say(b"".join(pieces))
            assert set(house.internet.looked_up) <= {"example.com"}

    caplog.clear()
    trio.run(send)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
