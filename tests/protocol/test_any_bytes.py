"""Reading any bytes of a peer gives values and never an exception."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.protocol.wire.framing import Fed, Hangup, Lines, OverlongMessage
from codexd.protocol.wire.rpc import ClientReply, Notification, Request, Unreadable, read_message
from codexd.protocol.wire.websocket import WebSocket

quick = settings(max_examples=50, derandomize=True, deadline=None, database=None)

PEER_BYTES = st.binary(max_size=60) | st.lists(
    st.sampled_from(
        [
            b'{"id":',
            b"1",
            b"null",
            b',"method":',
            b'"x"',
            b',"params":',
            b"{}",
            b"}",
            b"[",
            b"\n",
            b"\xff",
        ]
    ),
    max_size=12,
).map(b"".join)

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Frames with every opcode and both mask bits, so that the reader gets past the first byte.
FRAMES = st.lists(
    st.tuples(
        st.sampled_from([0x00, 0x01, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0x83]),
        st.sampled_from([0x80, 0x81, 0x82, 0x85, 0xFE, 0xFF, 0x02]),
        st.binary(max_size=12),
    ).map(lambda f: bytes(f[:2]) + f[2]),
    max_size=5,
).map(b"".join)


@quick
@given(PEER_BYTES)
def test_a_message_is_something(body: bytes) -> None:
    assert isinstance(read_message(body), Request | Notification | ClientReply | Unreadable)


@quick
@given(st.lists(st.binary(max_size=9) | st.just(b"\n"), max_size=20))
def test_lines_do_not_depend_on_how_they_come(chunks: list[bytes]) -> None:
    piecewise, whole = Lines(6), Lines(6)
    fed: list[Fed] = [each for chunk in chunks for each in piecewise.feed(chunk)]
    assert fed == whole.feed(b"".join(chunks))
    assert all(len(each) <= 6 if isinstance(each, bytes) else True for each in fed)
    assert all(isinstance(each, bytes | OverlongMessage) for each in fed)


def unworded(fed: list[Fed]) -> list[Fed]:
    """The same with the close codes only: where text is not UTF-8, the words give a place in the piece."""
    return [Hangup(each.wire[2:4], "") if isinstance(each, Hangup) else each for each in fed]


@quick
@given(FRAMES, st.integers(0, 40))
def test_an_open_websocket_takes_anything_however_it_comes(wire: bytes, at: int) -> None:
    cut, whole = WebSocket(6), WebSocket(6)
    opened = cut.feed(UPGRADE)
    assert opened == whole.feed(UPGRADE)
    assert unworded(cut.feed(wire[:at]) + cut.feed(wire[at:])) == unworded(whole.feed(wire))


@quick
@given(st.binary(max_size=80))
def test_an_upgrade_may_be_anything(head: bytes) -> None:
    WebSocket().feed(b"GET " + head + b"\r\n\r\n")
