"""`model.item_cut` with as much of the item's text as a record can hold; pure."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from codexd.core.commands import OpenItem
from codexd.core.events.events import ItemCut, encode_event

Why = Literal["interrupted", "failed", "restarted"]

# The size of the event as JSON: as large as an answer's item may become (models/answer_size.py), and a little more for
# its other members. A record of the log may have 16 MiB; a draft may be larger than both.
CUT_BYTES_MAX: Final = 2 * 1024 * 1024 + 64 * 1024
# The longest form of a character in JSON: `\u0000`.
_CHARACTER_BYTES_MAX: Final = 6
# Parts of a summary or of a reasoning: no model has this many, and an empty part takes room too.
PARTS_MAX: Final = 1000
# Room for the other members, and for the note on each text that is cut.
_OTHER_MEMBERS_BYTES: Final = 32 * 1024

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode


def fitted_cut(item: OpenItem, why: Why, *, in_history: bool = False) -> ItemCut:
    """The shown text of an item. Text that does not fit is left out at the end, with a note.

    `in_history`: what a message said is in the model's history, too.
    """
    cut = ItemCut(
        item.item_id,
        "other" if item.kind == "search" else item.kind,
        why,
        item.text,
        item.summary,
        item.content,
        item.started_ms,
        in_history=in_history and item.kind == "message",
    )
    texts = (cut.text, *cut.summary, *cut.content)
    characters = sum(map(len, texts))
    parts = max(len(cut.summary), len(cut.content))
    if characters * _CHARACTER_BYTES_MAX <= CUT_BYTES_MAX and parts <= PARTS_MAX:
        return cut
    if len(encode_event(cut)) <= CUT_BYTES_MAX and parts <= PARTS_MAX:
        return cut
    room = _Room(CUT_BYTES_MAX - _OTHER_MEMBERS_BYTES)
    return replace(
        cut,
        text=room.of(cut.text),
        summary=tuple(map(room.of, cut.summary[:PARTS_MAX])),
        content=tuple(map(room.of, cut.content[:PARTS_MAX])),
    )


class _Room:
    """A number of bytes of JSON, which texts use up one after another."""

    def __init__(self, left: int) -> None:
        self._left = left

    def of(self, text: str) -> str:
        """As much of the text as fits."""
        json = _encode(text)
        kept = text if len(json) <= self._left else _beginning(json, self._left)
        self._left = max(0, self._left - len(json))
        gone = len(text) - len(kept)
        if not gone:
            return text
        return (
            f"{kept}\n[… {gone} characters were left out here: one record has no room for more …]"
        )


def _beginning(json: bytes, size: int) -> str:
    """The text of the first bytes of a JSON string, without an incomplete character at their end."""
    for end in range(size, max(1, size - _CHARACTER_BYTES_MAX), -1):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return _decode(json[:end] + b'"')
    return ""
