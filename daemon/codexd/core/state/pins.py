"""Records that every compaction keeps."""

from __future__ import annotations

import msgspec

from codexd.core.events import events as e
from codexd.core.values.truncate import tokens_of


class Pin(msgspec.Struct, frozen=True):
    """The items of a record that every compaction keeps."""

    seq: int
    tokens: int  # an estimate


def pins_after(pins: tuple[Pin, ...], event: e.PinAdded | e.PinRemoved) -> tuple[Pin, ...]:
    """The pins after a record was pinned, or is not any more."""
    if isinstance(event, e.PinRemoved):
        return tuple(pin for pin in pins if pin.seq != event.seq)
    tokens = tokens_of(sum(len(item) for item in event.items))
    return (*pins, Pin(event.seq, tokens))
