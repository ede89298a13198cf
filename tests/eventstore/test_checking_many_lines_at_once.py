"""A piece of a log is checked at once, with the same result as a check line by line."""

from __future__ import annotations

from zlib import crc32

from codexd_eventstore.format.lines import (
    chain_start,
    check_lines,
    crc_of,
    frame,
    keys_in,
    read_lines,
)
from codexd_eventstore.store import NewEvent, Record
from store_engines import NOON_US, placed

# In front of the first number with two digits, and with three.
BORDERS = (7, 97)


def written(after: int) -> list[Record]:
    """Some appends: of one event, of two with a key, of one with a key and another version, of one again."""
    records: list[Record] = []
    chain = chain_start("orders")
    other = NewEvent("order.paid", b'{"crc":"00000000"}', v=2, members=b'"model":"m","key2":1')
    for key, events in (
        (None, [placed(1)]),
        ("one", [placed(2), placed(3)]),
        ("two", [other]),
        (None, [placed(4)]),
    ):
        seq = after + len(records)
        records += frame(events, after=seq, chain=chain, at_us=NOON_US, key=key)
        chain = crc_of(records[-1].line)
    return records


def piece_of(records: list[Record]) -> bytes:
    return b"".join([record.line + b"\n" for record in records])


def one_by_one(piece: bytes, after: int, chain: int) -> tuple[list[bytes], int, int]:
    """The slow way, written down as the format is."""
    lines: list[bytes] = []
    size = 0
    while newline := piece.find(b"\n", size) + 1:
        line = piece[size:newline]
        crc = crc32(line[:-19], chain)
        number = b'{"seq":%d,"at":"' % (after + len(lines) + 1)
        if not line.startswith(number) or line[-19:] != b',"crc":"%08x"}\n' % crc:
            break
        lines.append(line)
        size, chain = newline, crc
    return lines, size, chain


def test_a_piece_that_is_cut_off_anywhere_gives_its_whole_lines() -> None:
    for after in BORDERS:
        piece, chain = piece_of(written(after)), chain_start("orders")
        for end in range(len(piece) + 1):
            cut = piece[:end]
            assert check_lines(cut, after, chain) == one_by_one(cut, after, chain)


def test_a_piece_with_any_byte_changed_gives_the_lines_in_front_of_it() -> None:
    piece, chain = piece_of(written(7)), chain_start("orders")
    for at in range(len(piece)):
        for flip in (0x01, 0x20, 0x80, piece[at], piece[at] ^ 0x0A):
            changed = piece[:at] + bytes([piece[at] ^ flip]) + piece[at + 1 :]
            found = check_lines(changed, 7, chain)
            assert found == one_by_one(changed, 7, chain)
            assert found[1] <= at or changed == piece


def test_a_piece_after_another_line_or_with_other_numbers_gives_nothing() -> None:
    piece, chain = piece_of(written(7)), chain_start("orders")
    assert check_lines(piece, 7, chain + 1) == ([], 0, chain + 1)
    assert check_lines(piece, 8, chain) == ([], 0, chain)
    assert check_lines(b"", 7, chain) == check_lines(b"\n", 7, chain) == ([], 0, chain)


def test_keys_and_types_are_found_where_numbers_become_longer() -> None:
    for after in BORDERS:
        records = written(after)
        lines, size, chain = check_lines(piece_of(records), after, chain_start("orders"))
        assert (size, chain) == (len(piece_of(records)), crc_of(records[-1].line))
        assert keys_in(lines, after) == [(1, "one"), (3, "two")]
        found, _, _ = read_lines(piece_of(records), after, chain_start("orders"))
        assert found == records
        assert [r.type for r in found] == ["order.placed"] * 3 + ["order.paid", "order.placed"]
