"""How large an answer may become: counted as it comes, in the form in which the log would hold it; sans-IO.

An answer that passes a bound ends as a failed call: what came within the bound is given out, and then the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from codexd.models import errors
from codexd.models.client import ModelError

# One item, as JSON. The longest answers that providers give, some 128 000 tokens, are about 1 MB. A record of the
# log has 16 MiB, in which a call's arguments may stand beside the action that was read from them. And an item is
# read in one step of the event loop, which takes about 25 ms for one of this size.
ITEM_BYTES_MAX: Final = 4 * 1024 * 1024
# All items of one answer. A text is counted twice: as it streams, and with its whole item.
ANSWER_BYTES_MAX: Final = 4 * ITEM_BYTES_MAX
# What arrives in one network read is one append, which has at most 1 024 events, up to three for each item.
ITEMS_MAX: Final = 256
# Ids are some dozens of characters. An item's own is repeated in each notification about it.
ID_CHARACTERS_MAX: Final = 512
# What no character is longer than in JSON: `\u0000`.
_CHARACTER_BYTES_MAX: Final = 6

_encode = msgspec.json.Encoder().encode


class AnswerSize:
    """The size of one answer so far."""

    def __init__(self) -> None:
        self.error: ModelError | None = None  # why a text was cut
        self._texts: dict[str, int] = {}
        self._bytes = 0
        self._items = 0

    def begin(self) -> None:
        """One more item. Raises: ModelError."""
        self._items += 1
        if self._items > ITEMS_MAX:
            raise errors.too_large(f"expected at most {ITEMS_MAX} items, found more")

    def text(self, item: str, text: str) -> str:
        """More text of an item: as much of it as there is room for, and then `error` says so."""
        size = len(_encode(text))
        before = self._texts.get(item, 0)
        room = min(ITEM_BYTES_MAX - before, ANSWER_BYTES_MAX - self._bytes)
        if size > room:
            self.error = _item_too_large(before + size)
            text = text[: max(0, room) // _CHARACTER_BYTES_MAX]
        self._texts[item] = before + size
        self._bytes += size
        return text

    def hold(self, item: str, parts: Sequence[str | bytes]) -> None:
        """More of what is kept and shown only when it is whole. Raises: ModelError."""
        for part in parts:
            if isinstance(part, bytes):
                self._texts[item] = self._texts.get(item, 0) + len(part)
            else:
                self.text(item, part)
        if self._texts.get(item, 0) > ITEM_BYTES_MAX:
            raise _item_too_large(self._texts[item])
        if self.error is not None:
            raise self.error

    def whole(self, size: int) -> None:
        """An item is whole and has this many bytes. Raises: ModelError."""
        self._bytes += size
        if self.error is not None:
            raise self.error
        if size > ITEM_BYTES_MAX:
            raise _item_too_large(size)
        if self._bytes > ANSWER_BYTES_MAX:
            raise errors.too_large(f"expected at most {ANSWER_BYTES_MAX} bytes in all, found more")


def check_ids(*ids: str | None) -> None:
    """Raises: ModelError, for an id or a name that is longer than any is."""
    longest = max((len(one) for one in ids if one is not None), default=0)
    if longest > ID_CHARACTERS_MAX:
        raise errors.too_large(
            f"expected ids and names of at most {ID_CHARACTERS_MAX} characters, found one of {longest}"
        )


def _item_too_large(size: int) -> ModelError:
    return errors.too_large(
        f"expected at most {ITEM_BYTES_MAX} bytes for one item, found {size} or more"
    )
