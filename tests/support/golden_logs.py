"""Golden logs: the files under `tests/core/golden`, which are never changed, and what holds for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from zlib import crc32

from codexd.core.events.events import Event, decode_event, encode_event
from codexd.core.events.record import decode_record

GOLDEN = Path(__file__).parents[1] / "core" / "golden"


def golden(name: str) -> list[bytes]:
    """The lines of a golden log."""
    return (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()


def check_whole(lines: Iterable[bytes]) -> None:
    """Each checksum goes on from the one before: no line was changed, added or taken out."""
    crc = crc32(b"golden")
    for line in lines:
        body, _, end = line.rpartition(b',"crc":')
        crc = crc32(body, crc)
        assert end == b'"%08x"}' % crc, line


def check_same_today(lines: Sequence[bytes], events: Sequence[Event]) -> None:
    """The log is whole, is read as these events, and they would be written the same today."""
    check_whole(lines)
    for line, event in zip(lines, events, strict=True):
        assert decode_record(line).event == event, line
        assert b'"data":%b' % encode_event(event) in line, line
        assert decode_event(event.type, event.v, encode_event(event)) == event, line
