"""What daemon and keeper say to each other: lists of byte strings, cut anywhere."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.keeper.wire import MESSAGE_BYTES_MAX, Malformed, Messages, pack

MESSAGES = st.lists(st.lists(st.binary(max_size=40), max_size=6), max_size=6)


@settings(max_examples=50)
@given(MESSAGES, st.integers(min_value=1, max_value=30))
def test_messages_arrive_as_they_were_however_they_are_cut(
    messages: list[list[bytes]], piece_bytes: int
) -> None:
    sent = b"".join(pack(*message) for message in messages)
    reader, found = Messages(), []
    for begin in range(0, len(sent), piece_bytes):
        found += reader.feed(sent[begin : begin + piece_bytes])
    assert found == messages


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_bytes_of_a_stranger_are_messages_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        Messages().feed(data)


def test_a_message_that_is_too_long_is_refused_by_its_length_alone() -> None:
    with pytest.raises(Malformed):
        Messages().feed((MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"))
