"""The body of a chunked response is taken out beside the HTTP library, which sees the rest and stays content."""

from __future__ import annotations

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.models.http.chunks import ChunkTaker

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def taken(*pieces: bytes) -> tuple[bytes, bytes]:
    """What is taken of a response that arrives in these pieces, and what the library is fed."""
    chunks = ChunkTaker()
    chunks.begin()
    body = fed = b""
    for piece in pieces:
        if chunks.in_body:
            body += chunks.take(piece)
        else:
            fed += chunks.feed(piece)
        if chunks.in_body:
            body += chunks.take(b"")
        if not chunks.in_body:
            fed += chunks.feed(b"")
    return body, fed


def read_by_the_library(response: bytes) -> tuple[bytes, bool]:
    """What h11 reads: the body, and whether the response has ended."""
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


def test_the_chunks_are_taken_and_the_library_sees_head_and_end() -> None:
    whole = HEAD + chunk(b"one ") + chunk(b"two") + END
    assert taken(whole) == (b"one two", HEAD + END)
    assert read_by_the_library(HEAD + END) == (b"", True)


def test_all_chunks_of_one_arrival_are_taken_at_once() -> None:
    chunks = ChunkTaker()
    chunks.begin()
    assert chunks.feed(HEAD + chunk(b"a") + b"1\r") == HEAD
    assert chunks.take(b"") == b"a"
    assert chunks.take(b"\nb\r\n" + chunk(b"c") + chunk(b"d")) == b"bcd"
    assert chunks.in_body
    assert chunks.take(chunk(b"e") + END) == b"e"
    assert not chunks.in_body
    assert chunks.feed(b"") == END


def test_where_a_response_is_cut_makes_no_difference() -> None:
    tail = b"0\r\nTrailer: z\r\n\r\n"
    whole = HEAD + chunk(b"hello") + b"A;ext=1\r\n" + b"0123456789\r\n" + tail
    expected = (b"hello0123456789", HEAD + tail)
    for at in range(len(whole) + 1):
        assert taken(whole[:at], whole[at:]) == expected
    assert taken(*(bytes([byte]) for byte in whole)) == expected


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(0, 400)))
def test_any_body_comes_out_as_the_library_would_read_it(
    bodies: list[bytes], cuts: list[int]
) -> None:
    whole = HEAD + b"".join(map(chunk, bodies)) + END
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    body, fed = taken(*(whole[a:b] for a, b in pairwise(places)))
    assert (body, True) == read_by_the_library(whole)
    assert fed == HEAD + END


def test_a_response_that_is_cut_off_has_no_end() -> None:
    assert taken(HEAD + chunk(b"one") + b"5\r\ntw") == (b"onetw", HEAD)
    assert taken(HEAD + chunk(b"one") + b"5") == (b"one", HEAD)


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n3\r\nab",
        b"HTTP/1.1 200 OK\r\nX-Note: transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n3\r\nabc\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        pytest.param(b"x" * 100_000, id="no head at all"),
        HEAD + b"zz\r\nnonsense",
        pytest.param(HEAD + b"1" * 70_000, id="a size without end"),
    ],
)
def test_bytes_that_are_not_chunked_are_for_the_library(response: bytes) -> None:
    assert taken(response) == (b"", response)
    assert taken(response[:20], response[20:]) == (b"", response)


def test_an_interim_response_comes_before_the_real_response() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    body = chunk(b"a") + chunk(b"b") + END
    assert taken(interim + HEAD + body) == (b"ab", interim + HEAD + END)
    assert taken(interim[:10], interim[10:] + HEAD[:9], HEAD[9:] + body) == (
        b"ab",
        interim + HEAD + END,
    )


def test_one_connection_carries_many_responses() -> None:
    chunks = ChunkTaker()
    for _ in range(3):
        chunks.begin()
        chunks.begin()  # the body of the request
        assert chunks.feed(HEAD + chunk(b"a") + chunk(b"b") + END) == HEAD
        assert chunks.take(b"") == b"ab"
        assert chunks.feed(b"") == END
