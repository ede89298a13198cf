"""Reading old logs: a turn whose answer was cut off for a person's input."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from builders import text
from codexd.core.events.events import Event, ItemCut, TurnSteered, encode_event
from codexd.core.events.record import decode_record
from codexd.core.values.ids import ItemId, ModelCallId

LINES = (Path(__file__).parent / "golden" / "steering-v1.jsonl").read_bytes().splitlines()
AT_MS = 1794830400000
EVENTS: list[Event] = [
    ItemCut(ItemId("m1"), "message", "interrupted", "I will", started_ms=AT_MS, in_history=True),
    ItemCut(ItemId("ws1"), "other", "interrupted", started_ms=AT_MS),
    TurnSteered(ItemId("s1"), text("stop"), "c-2", cut=ModelCallId("t1/1")),
]


def test_they_are_read_and_would_be_written_the_same_today() -> None:
    crc = crc32(b"golden")
    for line, event in zip(LINES, EVENTS, strict=True):
        assert decode_record(line).event == event
        assert b'"data":%b' % encode_event(event) in line
        body, _, end = line.rpartition(b',"crc":')
        crc = crc32(body, crc)
        assert end == b'"%08x"}' % crc
