"""The file of an output: its first half and the newest of the rest, whoever reads it when."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.keeper.spool import HEADER_BYTES, Spool, note_read, read_spool

LIMIT = 64
HALF = LIMIT // 2


def stream(size: int) -> bytes:
    return bytes(number % 251 for number in range(size))


def read_on(spool: Spool, offset: int, chunk_bytes: int) -> tuple[int, bytes]:
    """All from an offset on: what was lost of it, and the rest."""
    lost, data = 0, b""
    while offset < spool.total_bytes:
        gone, piece = read_spool(spool.fd, offset, spool.total_bytes, LIMIT, chunk_bytes)
        assert gone or piece
        lost, data, offset = lost + gone, data + piece, offset + gone + len(piece)
    return lost, data


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(min_value=0, max_value=100), max_size=12),
    chunk_bytes=st.integers(min_value=1, max_value=80),
)
def test_a_late_reader_gets_the_head_and_the_tail_and_the_rest_is_counted(
    sizes: list[int], chunk_bytes: int
) -> None:
    whole, spool = stream(sum(sizes)), Spool("/tmp", LIMIT)
    begin = 0
    for size in sizes:
        assert spool.write(memoryview(whole[begin : begin + size]))
        begin += size
    lost, data = read_on(spool, 0, chunk_bytes)
    spool.close()
    expected = max(0, len(whole) - LIMIT)
    assert lost == expected
    assert data == (whole if not expected else whole[:HALF] + whole[-HALF:])


@settings(max_examples=50)
@given(st.lists(st.integers(min_value=0, max_value=HALF), max_size=20))
def test_a_reader_that_keeps_up_loses_nothing(sizes: list[int]) -> None:
    whole, spool = stream(sum(sizes)), Spool("/tmp", LIMIT)
    read, begin = b"", 0
    for size in sizes:
        spool.write(memoryview(whole[begin : begin + size]))
        begin += size
        lost, data = read_on(spool, len(read), LIMIT)
        assert not lost
        read += data
    spool.close()
    assert read == whole


def test_a_writer_knows_whether_it_would_overwrite_what_a_reader_has_not_read() -> None:
    spool = Spool("/tmp", LIMIT)
    spool.write(memoryview(stream(LIMIT)))
    assert spool.unread_from(1) == 0  # nobody has said anything: who reads late gets what is left
    note_read(spool.fd, HALF - 1, LIMIT)
    assert spool.unread_from(1) == 0
    note_read(spool.fd, HALF + 10, LIMIT)
    assert spool.unread_from(10) is None
    assert spool.unread_from(11) == HALF + 10
    spool.close()


def test_the_file_does_not_grow_and_has_no_name(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path), LIMIT)
    spool.write(memoryview(stream(10_000)))
    size = len(b"".join(iter(lambda: __import__("os").read(spool.fd, 1000), b"")))
    assert (size, list(tmp_path.iterdir())) == (HEADER_BYTES + LIMIT, [])
    spool.close()


def test_what_was_overwritten_during_a_read_is_lost() -> None:
    spool = Spool("/tmp", LIMIT)
    spool.write(memoryview(stream(HALF + 10)))
    # The reader knows of ten bytes of the ring; the writer is once around since then.
    spool.write(memoryview(bytes(HALF)))
    assert read_spool(spool.fd, HALF, HALF + 10, LIMIT, 100) == (10, b"")
    spool.close()


@pytest.mark.parametrize("size", [0, 1, HALF, HALF + 1, LIMIT, LIMIT + 1])
def test_nothing_is_read_beyond_what_is_known(size: int) -> None:
    spool = Spool("/tmp", LIMIT)
    spool.write(memoryview(stream(size + 5)[: size + 5]))
    lost, data = read_spool(spool.fd, 0, min(size, HALF), LIMIT, 1000)
    spool.close()
    assert (lost, data) == (0, stream(min(size, HALF)))
