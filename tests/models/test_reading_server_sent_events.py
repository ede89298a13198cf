"""Bytes become events as the HTML standard says, wherever the network cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.models.sse import EventStreamReader, InvalidEventStream, ServerSentEvent

STREAMS: dict[str, tuple[bytes, list[ServerSentEvent]]] = {
    "a line of data": (b"data: a\n\n", [ServerSentEvent(b"a")]),
    "a named event": (b"event: x\ndata: a\n\n", [ServerSentEvent(b"a", "x")]),
    "data before the name": (b"data: a\nevent: x\n\n", [ServerSentEvent(b"a", "x")]),
    "several": (b"data: a\n\ndata: b\n\n", [ServerSentEvent(b"a"), ServerSentEvent(b"b")]),
    "data over many lines": (b"data: a\ndata\ndata:  b\n\n", [ServerSentEvent(b"a\n\n b")]),
    "no space after the colon": (b"event:x\ndata:a\n\n", [ServerSentEvent(b"a", "x")]),
    "empty data": (b"data\n\n", [ServerSentEvent(b"")]),
    "an empty name": (b"event:\ndata: a\n\n", [ServerSentEvent(b"a")]),
    "the last name counts": (b"event: x\nevent: y\ndata: a\n\n", [ServerSentEvent(b"a", "y")]),
    "a name without data": (b"event: x\n\ndata: a\n\n", [ServerSentEvent(b"a")]),
    "a name that comes again": (
        b"event: x\ndata: a\n\nevent: x\ndata: b\n\nevent: x\ndata: c\ndata: d\n\nevent: xy\ndata: e\n\ndata: f\n\nevent: x\n\nevent: xy\ndata: g\n\n",
        [
            ServerSentEvent(b"a", "x"),
            ServerSentEvent(b"b", "x"),
            ServerSentEvent(b"c\nd", "x"),
            ServerSentEvent(b"e", "xy"),
            ServerSentEvent(b"f"),
            ServerSentEvent(b"g", "xy"),
        ],
    ),
    "comments": (b": hi\n\ndata: a\n: there\n\n", [ServerSentEvent(b"a")]),
    "unknown fields": (b"colour: red\ndata: a\nweight\n\n", [ServerSentEvent(b"a")]),
    "many empty lines": (
        b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n",
        [ServerSentEvent(b"a"), ServerSentEvent(b"b")],
    ),
    "carriage returns": (
        b"event: x\rdata: a\r\rdata: b\r\r",
        [ServerSentEvent(b"a", "x"), ServerSentEvent(b"b")],
    ),
    "both line ends": (
        b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n",
        [ServerSentEvent(b"a", "x"), ServerSentEvent(b"b")],
    ),
    "all line ends": (
        b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r\n",
        [ServerSentEvent(b"a\nb\nc"), ServerSentEvent(b"d")],
    ),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent(b"a")]),
    "a second mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [ServerSentEvent(b"b")]),
    "half a mark": (b"\xef\xbbdata: a\n\ndata: b\n\n", [ServerSentEvent(b"b")]),
    "what the end cuts off": (b"data: a\n\ndata: b\n", [ServerSentEvent(b"a")]),
    "text beyond ASCII": ("data: ✓ é\n\n".encode(), [ServerSentEvent("✓ é".encode())]),
    "a data line that looks like a name": (b"data: event: x\n\n", [ServerSentEvent(b"event: x")]),
    "nothing": (b"", []),
}


def read(*pieces: bytes) -> list[ServerSentEvent]:
    reader = EventStreamReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_read_alike_wherever_it_is_cut(name: str) -> None:
    stream, events = STREAMS[name]
    assert read(stream) == events
    assert read(*(bytes([byte]) for byte in stream)) == events
    for at in range(len(stream) + 1):
        assert read(stream[:at], stream[at:]) == events
        assert read(stream[:at], b"", stream[at:]) == events


@given(
    st.lists(st.sampled_from([b"data", b"event", b":", b" ", b"\n", b"\r", b"a", b"\xef\xbb\xbf"]))
)
def test_any_bytes_are_read_alike_in_one_piece_and_in_many(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert read(*pieces) == read(whole) == read(*(bytes([byte]) for byte in whole))


def test_ids_and_waiting_times_are_kept() -> None:
    reader = EventStreamReader()
    reader.feed(b"id: 7\nretry: 1500\ndata: a\n\n")
    assert (reader.last_event_id, reader.retry_ms) == ("7", 1500)
    reader.feed(b"id: x\0y\nretry: soon\ndata: b\n\n")
    assert (reader.last_event_id, reader.retry_ms) == ("7", 1500)
    reader.feed(b"id\ndata: c\n\n")
    assert reader.last_event_id == ""


def test_an_event_that_never_ends_is_refused() -> None:
    reader = EventStreamReader(event_bytes_max=100)
    reader.feed(b"data: " + b"x" * 90)
    with pytest.raises(InvalidEventStream, match=r"at most 100 bytes, found one of 101"):
        reader.feed(b"xxxxx")


def test_a_long_event_is_refused_though_its_end_is_here() -> None:
    with pytest.raises(InvalidEventStream, match="at most 100 bytes"):
        EventStreamReader(event_bytes_max=100).feed(b"data: " + b"x" * 100 + b"\n\n")


def test_many_events_together_may_be_longer_than_one_event_may() -> None:
    assert len(EventStreamReader(event_bytes_max=10).feed(b"data: abc\n\n" * 50)) == 50
