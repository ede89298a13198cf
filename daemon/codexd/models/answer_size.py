"""How large an answer may become: counted while it arrives, as the log would hold it; sans-IO.

An answer that passes a bound ends as a failed call: what came within the bound is given out, and then the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from codexd.models import errors
from codexd.models.client import ModelError

# One item, as JSON. The longest answers that providers give, some 128 000 tokens, are about 1 MB. A record of the
# log has 16 MiB, where a call's arguments may be beside the action that was read from them. And what is done
# with a whole item by one call of a library (to read it, to encode it, to seal it) holds the event loop for 5 to 10 ms.
ITEM_BYTES_MAX: Final = 2 * 1024 * 1024
# All items of one answer. A text is counted twice: as it streams, and with its whole item.
ANSWER_BYTES_MAX: Final = 4 * ITEM_BYTES_MAX
# What arrives in one network read is one append, which has at most 1 024 events, up to three for each item.
ITEMS_MAX: Final = 256
# Ids are some dozens of characters. An item's own is repeated in each notification about it.
ID_CHARACTERS_MAX: Final = 512
# What no character is longer than in JSON: `\u0000`.
_CHARACTER_BYTES_MAX: Final = 6
# Parts of one reasoning item; models make a few.
PARTS_MAX: Final = 1000
# Text that is counted together: to encode each delta by itself takes as long as to read it.
_COUNTED_CHARACTERS: Final = 16 * 1024

_encode = msgspec.json.Encoder().encode


class TextSize(msgspec.Struct, gc=False):
    """The text of one item: what is counted of it, and what is not yet."""

    size: int = 0  # of what is counted, as JSON
    uncounted: list[str] = []
    room: int = _COUNTED_CHARACTERS  # characters that may still come uncounted


class AnswerSize:
    """The size of an answer up to now."""

    def __init__(self) -> None:
        self.error: ModelError | None = None  # why a text was cut
        self._texts: dict[str, TextSize] = {}
        self._held: dict[str, int] = {}
        self.counted_bytes = 0
        self._items = 0

    def begin(self) -> None:
        """One more item. Raises: ModelError."""
        self._items += 1
        if self._items > ITEMS_MAX:
            raise errors.too_large(f"expected at most {ITEMS_MAX} items, found more")

    def of_text(self, item: str) -> TextSize:
        """Where the text of an item is counted."""
        so_far = self._texts.get(item)
        if so_far is None:
            so_far = self._texts[item] = TextSize()
        return so_far

    def text(self, item: str, text: str) -> str:
        """More text of an item: as much of it as there is room for, and then `error` says so."""
        so_far = self.of_text(item)
        so_far.uncounted.append(text)
        so_far.room -= len(text)
        return text if so_far.room > 0 else self.count(so_far)

    def count(self, so_far: TextSize) -> str:
        """Count what was put off; as much of the last piece as there is room for, and then `error` says so."""
        last = so_far.uncounted.pop()
        self._add(so_far, _size_of("".join(so_far.uncounted)))
        room = self._room(so_far)
        size = _size_of(last)
        kept = last
        if size > room:
            self.error = _item_too_large(so_far.size + size)
            kept = last[: max(0, room) // _CHARACTER_BYTES_MAX]
        self._add(so_far, size)
        so_far.uncounted.clear()
        so_far.room = min(_COUNTED_CHARACTERS, self._room(so_far) // _CHARACTER_BYTES_MAX)
        return kept

    def _room(self, so_far: TextSize) -> int:
        return min(ITEM_BYTES_MAX - so_far.size, ANSWER_BYTES_MAX - self.counted_bytes)

    def _add(self, so_far: TextSize, size: int) -> None:
        so_far.size += size
        self.counted_bytes += size

    def hold(self, item: str, parts: Sequence[str | bytes]) -> None:
        """More of what is kept and shown only when it is whole. Raises: ModelError."""
        held = self._held[item] = self._held.get(item, 0) + sum(map(_size_of, parts))
        if held > ITEM_BYTES_MAX:
            raise _item_too_large(held)

    def whole(self, size: int) -> None:
        """An item is whole and has this many bytes. Raises: ModelError."""
        self.counted_bytes += size
        if self.error is not None:
            raise self.error
        if size > ITEM_BYTES_MAX:
            raise _item_too_large(size)
        if self.counted_bytes > ANSWER_BYTES_MAX:
            raise errors.too_large(f"expected at most {ANSWER_BYTES_MAX} bytes in all, found more")


def check_ids(*ids: str | None) -> None:
    """Raises: ModelError, for an id or a name that is longer than any is."""
    longest = max((len(id_) for id_ in ids if id_ is not None), default=0)
    if longest > ID_CHARACTERS_MAX:
        raise errors.too_large(
            f"expected ids and names of at most {ID_CHARACTERS_MAX} characters, found one of {longest}"
        )


def check_part(index: int) -> None:
    """Raises: ModelError, for the place of a part that is none."""
    if not 0 <= index < PARTS_MAX:
        raise errors.too_large(f"expected at most {PARTS_MAX} parts of an item, found part {index}")


def _size_of(part: str | bytes) -> int:
    return len(part) if isinstance(part, bytes) else len(_encode(part)) - 2


def _item_too_large(size: int) -> ModelError:
    return errors.too_large(
        f"expected at most {ITEM_BYTES_MAX} bytes for one item, found {size} or more"
    )
