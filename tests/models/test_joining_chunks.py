"""HTTP chunks are joined without the HTTP library noticing: h11 reads the same body from fewer chunks."""

from __future__ import annotations

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.models.chunks import ChunkJoiner

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def joined(*pieces: bytes) -> bytes:
    joiner = ChunkJoiner()
    joiner.begin()
    return b"".join([joiner.feed(piece) for piece in pieces] + [joiner.end()])


def body_of(response: bytes) -> tuple[bytes, bool]:
    """What h11 reads from a response: the body, and whether it ended."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(response)
    body = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        elif event is h11.NEED_DATA or isinstance(event, h11.EndOfMessage):
            return body, isinstance(event, h11.EndOfMessage)


def test_chunks_that_arrive_together_become_one() -> None:
    assert joined(HEAD + chunk(b"one ") + chunk(b"two") + END) == HEAD + chunk(b"one two") + END


def test_each_arrival_becomes_one_chunk() -> None:
    assert joined(HEAD, chunk(b"a") + chunk(b"b"), chunk(b"c") + b"1\r\n", b"d\r\n" + END) == (
        HEAD + chunk(b"ab") + chunk(b"c") + chunk(b"d") + END
    )


def test_where_a_response_is_cut_makes_no_difference_to_its_body() -> None:
    whole = HEAD + chunk(b"hello") + b"A;ext=1\r\n" + b"0123456789\r\n" + b"0\r\nTrailer: z\r\n\r\n"
    for at in range(len(whole) + 1):
        assert body_of(joined(whole[:at], whole[at:])) == (b"hello0123456789", True)
    assert body_of(joined(*(bytes([byte]) for byte in whole))) == (b"hello0123456789", True)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(0, 400)))
def test_any_body_comes_through_whole(bodies: list[bytes], cuts: list[int]) -> None:
    whole = HEAD + b"".join(map(chunk, bodies)) + END
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places)]
    assert body_of(joined(*pieces)) == (b"".join(bodies), True)


def test_a_response_that_is_cut_off_stays_cut_off() -> None:
    assert body_of(joined(HEAD + chunk(b"one") + b"5\r\ntw")) == (b"onetw", False)
    assert body_of(joined(HEAD + chunk(b"one") + b"5")) == (b"one", False)


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n3\r\nab",
        b"HTTP/1.1 200 OK\r\nX-Note: transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n3\r\nabc\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"x" * 100_000,
        HEAD + b"zz\r\nnonsense",
        HEAD + b"1" * 70_000,
    ],
)
def test_what_is_not_chunked_passes_as_it_came(response: bytes) -> None:
    assert joined(response) == response


def test_an_interim_answer_comes_before_the_real_one() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    whole = interim + HEAD + chunk(b"a") + chunk(b"b") + END
    assert joined(whole) == interim + HEAD + chunk(b"ab") + END
    assert joined(interim[:10], interim[10:] + HEAD[:9], HEAD[9:] + chunk(b"a") + END) == (
        interim + HEAD + chunk(b"a") + END
    )


def test_one_connection_carries_many_responses() -> None:
    joiner = ChunkJoiner()
    for _ in range(3):
        joiner.begin()
        joiner.begin()  # the body of the request
        assert joiner.feed(HEAD + chunk(b"a") + chunk(b"b") + END) == HEAD + chunk(b"ab") + END
