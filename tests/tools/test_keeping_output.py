"""Output is kept with bounded memory: its start, its end, and the size of what lay between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.tools.output import KeptOutput, KeptText


def kept(chunks: list[bytes], bytes_max: int) -> KeptOutput:
    output = KeptOutput(bytes_max)
    for chunk in chunks:
        output.add(chunk)
    return output


def test_output_that_fits_is_kept_whole() -> None:
    output = kept([b"one\n", b"two"], 100)
    assert output.text() == KeptText(head="one\ntwo", tail="", gone_bytes=0)
    assert output.text().for_screens() == "one\ntwo"


def test_of_longer_output_the_start_and_the_end_are_kept() -> None:
    output = kept([b"0123456789"] * 10, 20)
    assert output.text() == KeptText(head="0123456789", tail="0123456789", gone_bytes=80)
    assert output.total_bytes == 100


def test_screens_get_the_size_of_the_missing_part() -> None:
    assert kept([b"aaaa", b"bbbb", b"cccc"], 8).text().for_screens() == (
        "aaaa\n…4 bytes omitted…\ncccc"
    )


def test_lines_are_counted_whether_kept_or_not() -> None:
    assert kept([b"a\n" * 50, b"last"], 10).lines() == 51
    assert kept([b"a\n"], 10).lines() == 1
    assert kept([], 10).lines() == 0


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert kept([b"a\xffb\xe2\x82", b"c"], 100).text().head == "a\ufffdb\ufffdc"


def test_a_character_split_between_chunks_stays_whole() -> None:
    encoded = "a€😀ü".encode()
    for at in range(len(encoded) + 1):
        assert kept([encoded[:at], encoded[at:]], 100).text().head == "a€😀ü"


def test_a_character_that_the_gap_cuts_in_two_belongs_to_the_gap() -> None:
    assert kept(["€€€€€€".encode()], 8).text() == KeptText(head="€", tail="€", gone_bytes=12)


def test_a_flood_of_small_chunks_takes_no_more_than_is_kept() -> None:
    output = KeptOutput(1000)
    for _ in range(10_000):
        output.add(b"x" * 99)
        assert len(output._head) + len(output._tail) <= 500 + 2 * 500


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=30), max_size=30), st.integers(2, 60))
def test_nothing_is_kept_twice_and_nothing_goes_uncounted(
    chunks: list[bytes], bytes_max: int
) -> None:
    ascii_only = [bytes(byte & 0x7F for byte in chunk) for chunk in chunks]
    whole = b"".join(ascii_only)
    text = kept(ascii_only, bytes_max).text()
    assert len(text.head) + text.gone_bytes + len(text.tail) == len(whole)
    assert whole.decode().startswith(text.head)
    assert whole.decode().endswith(text.tail)
    assert (text.gone_bytes == 0) == (len(whole) <= bytes_max)
