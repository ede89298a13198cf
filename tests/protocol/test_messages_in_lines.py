"""JSON lines, however the network cuts them."""

from __future__ import annotations

import pytest

from codexd.protocol.wire.framing import MESSAGE_BYTES_MAX, Fed, Lines, OverlongMessage, detect

STREAM = '{"id":1}\n\n  \r\n{"say":"hé"}\r\n[3]\n{"cut'.encode()
MESSAGES: list[Fed] = [b'{"id":1}', '{"say":"hé"}\r'.encode(), b"[3]"]


def fed(lines: Lines, *chunks: bytes) -> list[Fed]:
    return [each for chunk in chunks for each in lines.feed(chunk)]


def test_lines_come_whole_however_they_are_cut() -> None:
    for at in range(len(STREAM) + 1):
        assert fed(Lines(), STREAM[:at], STREAM[at:]) == MESSAGES, f"cut at {at}"


def test_lines_come_whole_byte_by_byte() -> None:
    assert fed(Lines(), *(STREAM[at : at + 1] for at in range(len(STREAM)))) == MESSAGES


def test_a_line_as_long_as_the_bound_is_taken() -> None:
    for at in range(9):
        assert fed(Lines(8), b"12345678\n"[:at], b"12345678\n"[at:]) == [b"12345678"], (
            f"cut at {at}"
        )


def test_a_longer_line_is_reported_once_and_the_next_line_is_read() -> None:
    stream = b"ok\n" + b"123456789" * 3 + b"\nnext\n"
    for at in range(len(stream) + 1):
        assert fed(Lines(8), stream[:at], stream[at:]) == [b"ok", OverlongMessage(8), b"next"], (
            f"cut at {at}"
        )


def test_a_line_that_is_too_long_is_reported_before_it_ends() -> None:
    lines = Lines(4)
    assert lines.feed(b"12345") == [OverlongMessage(4)]
    assert lines.feed(b"6789") == []
    assert lines.feed(b"\n1\n") == [b"1"]


def test_the_report_says_what_was_not_done() -> None:
    assert str(OverlongMessage(8)) == (
        "expected a message of at most 8 bytes, found a longer one; it was skipped"
    )


def test_the_bound_is_the_one_that_codex_announces() -> None:
    assert MESSAGE_BYTES_MAX == 16_777_216


def test_a_message_is_written_with_a_newline() -> None:
    assert Lines().frame(b'{"id":1}') == b'{"id":1}\n'


@pytest.mark.parametrize(
    ("first", "framing"),
    [(b"{", "lines"), (b"G", "websocket"), (b"\n", "lines"), (b" ", "lines"), (b"P", "lines")],
)
def test_the_first_byte_decides_the_framing(first: bytes, framing: str) -> None:
    assert detect(first) == framing
