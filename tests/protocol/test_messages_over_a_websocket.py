"""WebSocket: our server's side against a client's side that is wsproto's own."""

from __future__ import annotations

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from codexd.protocol.wire.framing import Fed, Hangup, OverlongMessage, Send
from codexd.protocol.wire.websocket import (
    FRAGMENT_BYTES_MAX,
    HANDSHAKE_BYTES_MAX,
    WebSocket,
    fragments,
    frame,
)

UPGRADE = (
    b"GET /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Origin: http://elsewhere\r\nSec-WebSocket-Protocol: chat\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    b"x-codex-app-server-compression: zstd-stream-v1\r\n\r\n"
)
MASKED_HI = b"\x81\x82\x00\x00\x00\x00hi"


def pair(bytes_max: int = 1000) -> tuple[WSConnection, WebSocket]:
    """A client and a server after their handshake."""
    client, server = WSConnection(ConnectionType.CLIENT), WebSocket(bytes_max)
    (answer,) = server.feed(client.send(Request(host="localhost", target="/any/path")))
    assert isinstance(answer, Send)
    client.receive_data(answer.wire)
    assert [type(event) for event in client.events()] == [AcceptConnection]
    return client, server


def heard(client: WSConnection, wire: bytes) -> list[Event]:
    client.receive_data(wire)
    return list(client.events())


def test_the_answer_to_an_upgrade() -> None:
    assert WebSocket().feed(UPGRADE) == [
        Send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            b"x-codex-websocket-max-unfragmented-message-bytes: 16777216\r\n\r\n"
        )
    ]


def test_a_message_may_come_with_the_upgrade_however_they_are_cut() -> None:
    stream = UPGRADE + MASKED_HI
    for at in range(len(stream) + 1):
        server = WebSocket()
        answer, *rest = server.feed(stream[:at]) + server.feed(stream[at:])
        assert isinstance(answer, Send)
        assert rest == [b"hi"], f"cut at {at}"


def test_a_message_in_fragments_is_one_message() -> None:
    client, server = pair()
    text = '{"say":"hé → hi"}'
    wire = b"".join(
        client.send(Message(data=letter, message_finished=last))
        for letter, last in zip(text, [False] * (len(text) - 1) + [True], strict=True)
    )
    for at in range(0, len(wire), 7):
        client, server = pair()
        assert server.feed(wire[:at]) + server.feed(wire[at:]) == [text.encode()], f"cut at {at}"


def test_what_is_larger_than_one_frame_may_be_is_written_in_fragments() -> None:
    for more, first in ((0, 0x81), (1, 0x01)):
        wire = frame(b"x" * (FRAGMENT_BYTES_MAX + more))
        assert wire[:2] == bytes([first, 0x7F])
        assert int.from_bytes(wire[2:10], "big") == FRAGMENT_BYTES_MAX
        assert wire[10 + FRAGMENT_BYTES_MAX :] == b"\x80\x01x" * more


def test_a_client_reads_a_message_in_fragments_as_one() -> None:
    client, _ = pair()
    events = heard(client, b"".join(fragments(b"abcdefg" * 100, 256)))
    texts = [event for event in events if isinstance(event, TextMessage)]
    assert "".join(event.data for event in texts) == "abcdefg" * 100
    assert [event.message_finished for event in texts][-1]


def test_a_ping_between_fragments_is_answered_at_once() -> None:
    client, server = pair()
    assert server.feed(client.send(Message(data="a", message_finished=False))) == []
    (pong,) = server.feed(client.send(Ping(payload=b"there?")))
    assert isinstance(pong, Send)
    assert heard(client, pong.wire) == [Pong(payload=b"there?")]
    assert server.feed(client.send(Message(data="b", message_finished=True))) == [b"ab"]


def test_pongs_and_empty_messages_are_ignored() -> None:
    client, server = pair()
    assert server.feed(client.send(Pong()) + client.send(TextMessage(data=""))) == []
    assert server.feed(client.send(TextMessage(data="{}"))) == [b"{}"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_binary_message_ends_the_connection_with_the_reason(whole: bool) -> None:
    client, server = pair()
    text = client.send(TextMessage(data="{}"))
    wire = client.send(BytesMessage(data=b"{}", message_finished=whole))
    message, hangup = server.feed(text + wire)
    assert message == b"{}"
    assert isinstance(hangup, Hangup)
    reason = "expected JSON-RPC in text messages, found a binary message"
    assert heard(client, hangup.wire) == [CloseConnection(code=1003, reason=reason)]
    assert server.feed(MASKED_HI) == []


def test_a_message_that_is_too_long_is_reported_once_and_the_next_is_read() -> None:
    client, server = pair(bytes_max=10)
    pieces = ["123456", "789012", "345", "6"]
    wire = b"".join(
        client.send(Message(data=piece, message_finished=piece == "6")) for piece in pieces
    )
    wire += client.send(TextMessage(data="1234567890"))
    assert server.feed(wire) == [OverlongMessage(10), b"1234567890"]


def test_a_close_is_answered_and_nothing_comes_after_it() -> None:
    client, server = pair()
    wire = client.send(CloseConnection(code=1000, reason="bye"))
    (hangup,) = server.feed(wire + MASKED_HI)
    assert isinstance(hangup, Hangup)
    assert hangup.reason == "bye"
    assert heard(client, hangup.wire) == [CloseConnection(code=1000, reason="bye")]
    assert server.feed(MASKED_HI) == []


def test_a_close_without_a_reason_has_its_number() -> None:
    client, server = pair()
    (hangup,) = server.feed(client.send(CloseConnection(code=1001)))
    assert isinstance(hangup, Hangup)
    assert hangup.reason == "closed by the client (1001)"


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x02hi", 1002),
        (b"\x83\x80\x00\x00\x00\x00", 1002),
        (b"\x80\x82\x00\x00\x00\x00hi", 1002),
        (b"\xc1\x82\x00\x00\x00\x00hi", 1002),
        (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007),
    ],
    ids=["unmasked", "reserved opcode", "nothing to continue", "reserved bit", "not UTF-8"],
)
def test_a_client_that_breaks_the_protocol_gets_a_close(wire: bytes, code: int) -> None:
    client, server = pair()
    (hangup,) = server.feed(wire)
    assert isinstance(hangup, Hangup)
    (close,) = heard(client, hangup.wire)
    assert isinstance(close, CloseConnection)
    assert close.code == code
    assert server.feed(MASKED_HI) == []


def refused(head: bytes) -> str:
    (hangup,) = WebSocket().feed(head)
    assert isinstance(hangup, Hangup)
    head, _, body = hangup.wire.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head
    assert b"codexd speaks JSON-RPC here" in body
    return hangup.reason


def test_a_request_that_is_no_upgrade_gets_the_supported_framings() -> None:
    assert "Connection: Upgrade" in refused(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "Bad HTTP" in refused(b"GET\r\n\r\n")
    without_key = UPGRADE.replace(b"Sec-WebSocket-Key", b"X-Key")
    assert "Sec-WebSocket-Key" in refused(without_key)
    assert refused(UPGRADE.replace(b"localhost", b"h\xe9"))


def test_a_request_without_an_end_is_refused() -> None:
    server = WebSocket()
    chunk = b"X-More: and more\r\n" * 50
    fed: list[Fed] = server.feed(b"GET / HTTP/1.1\r\n")
    fed_bytes = 0
    while not fed:
        fed = server.feed(chunk)
        fed_bytes += len(chunk)
    assert fed_bytes < HANDSHAKE_BYTES_MAX + len(chunk)
    assert isinstance(fed[0], Hangup)
    assert server.feed(chunk) == []


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_a_client_reads_our_frames(length: int) -> None:
    client, server = pair()
    assert server.frame(b"x" * length) == frame(b"x" * length)
    events = heard(client, frame(b"x" * length))
    assert events == [TextMessage(data="x" * length, frame_finished=True, message_finished=True)]
