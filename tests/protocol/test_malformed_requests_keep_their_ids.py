"""The error of a malformed request has the request's id if that can be read, and no other id."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.protocol.wire.framing import Lines, OverlongMessage
from codexd.protocol.wire.request_ids import TOKENS_MAX, id_in
from codexd.protocol.wire.rpc import Unreadable, read_message
from codexd.protocol.wire.websocket import WebSocket

BOM = b"\xef\xbb\xbf"
SURROGATES = [
    rb"\ud800",
    rb"\uDFff",
    rb"\ud83d\u0041",
    rb"\ud800\ud800",
    rb"a\udc00b",
    rb"\ud800\n",
]
DEEP = b"[" * 50_000


def request(text: bytes, *, first: bool) -> bytes:
    """A request whose params have that in them, in front of its id or behind it."""
    params = b'"method":"thread/read","params":{"id":5,"a":[1,{"id":6}],"threadId":%b}' % text
    return b'{"id":7,%b}' % params if first else b'{%b , "id" : 7}' % params


def unreadable(body: bytes) -> Unreadable:
    message = read_message(body)
    assert isinstance(message, Unreadable)
    return message


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("text", SURROGATES)
def test_half_of_a_surrogate_pair_is_named_and_answered_to_its_request(
    text: bytes, first: bool
) -> None:
    for body in (request(b'"%b"' % text, first=first), b'{"id":7,"method":"x%b"}' % text):
        found = unreadable(body)
        assert (found.id, found.error.code) == (7, -32600)
        assert "half of a surrogate pair" in found.error.message


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'"\xff"', "expected UTF-8, found byte 0xff"),
        (b'"\xed\xa0\x80"', "expected UTF-8"),
        (b'"\xc3"', "expected UTF-8"),
        (b"NaN", "invalid character"),
        (b"-Infinity", ""),
        (b"01", ""),
        (b'"\x01"', "invalid character"),
        (rb'"\q"', "invalid escaped character"),
        (rb'"\ud800" x', ""),
    ],
)
def test_invalid_json_is_answered_under_its_id(text: bytes, reason: str, first: bool) -> None:
    found = unreadable(request(text, first=first))
    assert (found.id, found.error.code) == (7, -32700)
    assert reason in found.error.message


def test_json_that_is_nested_too_deeply_or_begins_with_a_mark_is_answered_under_its_id() -> None:
    for body in (request(DEEP, first=True), BOM + request(b"1", first=False)):
        found = unreadable(body)
        assert (found.id, found.error.code) == (7, -32700)
    assert unreadable(b"[%b]" % request(b"1", first=True)).id is None


@pytest.mark.parametrize(
    "written", [b"1e400", b"7.5", b"true", b"null", b"[7]", b'{"id":7}', rb'"\ud800"', b"1" * 5000]
)
def test_an_invalid_id_is_none(written: bytes) -> None:
    assert id_in(b'{"id":%b,"method":"x"}' % written) is None


def test_of_two_ids_the_last_counts_as_in_decoders() -> None:
    assert id_in(b'{"id":1,"id":"two","params":{"id":3}') == "two"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=4), st.integers(0, 200), st.booleans())
def test_no_other_id_is_found_in_any_text(junk: bytes, place: int, first: bool) -> None:
    whole = request(json.dumps('"id":8 \\ {').encode(), first=first)
    at = min(place, len(whole))
    found = id_in(whole[:at] + b"\x00" + junk + whole[at:])
    begins = whole.index(b'"id"', 0 if first else whole.index(b" ,"))
    if first and at >= begins + len(b'"id":7,') and b'"' not in junk:
        assert found == 7
    assert found in (7, None) or b'"' in junk or begins <= at <= begins + 8


def test_the_searched_part_is_bounded() -> None:
    assert id_in(b'{"params":[%b],"id":7}' % b",".join([b"1"] * 100)) == 7
    assert id_in(b'{"params":[%b],"id":7}' % b",".join([b"1"] * TOKENS_MAX)) is None
    assert id_in(b'{"id":7,"params":[%b' % (b"[]," * 1_000_000)) == 7
    assert id_in(b'{"id":7,"params":"' + b"\\" * 1_000_001) == 7


def test_a_message_that_is_too_long_is_answered_to_its_request() -> None:
    body = request(b'"%b"' % (b"x" * 300), first=True)
    assert Lines(200).feed(body + b"\n") == [OverlongMessage(200, 7)]
    lines = Lines(200)
    assert lines.feed(body[:100]) == []
    assert lines.feed(body[100:] + b"\n") == [OverlongMessage(200, 7)]
    socket = WebSocket(200)
    assert socket._grow(body, whole=True) == [OverlongMessage(200, 7)]
