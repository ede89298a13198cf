"""Which item of a response an event is of, and the item's id; sans-IO.

Providers leave out ids, places and beginnings, change an id between the deltas and the item, and say an item twice.
An id is never given to two items.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Final

import msgspec

from codexd.core.values.ids import ItemId
from codexd.core.values.model_output import ItemKind, ItemStarted, ModelEvent
from codexd.core.values.provider_items import MessageItem, ProviderItem
from codexd.models.answer_size import AnswerSize, TextSize, check_ids
from codexd.models.responses.events import Wire

# A shorter id, such as `msg_0`, is a number within its response, and the next response has it too.
UNIQUE_ID_CHARACTERS_MIN: Final = 12


class OpenItem(msgspec.Struct):
    """An item that is not complete."""

    id: ItemId
    kind: ItemKind
    key: str  # under which it is open: the provider's id, else our own
    index: int | None
    text: TextSize
    is_named: bool = True  # the provider said which item it is: by an id, or by its place
    begun: msgspec.Raw = msgspec.Raw()  # it as its beginning had it
    pieces: list[str] = []  # its deltas, or the whole arguments of a call


class OpenItems:
    """The items of one response: those that are open, and what is known of those that were."""

    def __init__(self, size: AnswerSize, name: str | None) -> None:
        """`name` makes ids unlike those of any other response, where the provider's may be the same in each."""
        self._size, self._name = size, name
        self.response_id: str | None = None
        self.all: dict[str, OpenItem] = {}  # by their keys
        self._used: set[str] = set()
        self._done: set[tuple[str, int | None, ItemKind]] = set()
        self._wholes: set[tuple[str, int | None, bytes]] = set()  # with their id, else their place

    @property
    def any_begun(self) -> bool:
        """Whether any item has begun."""
        return bool(self._used)

    def named(self, key: str | None) -> OpenItem | None:
        """The open item with an id."""
        return self.all.get(key) if key else None

    def of(self, wire: Wire, kind: ItemKind, found: list[ModelEvent]) -> OpenItem | None:
        """The open item that a delta belongs to; one that begins with its deltas begins here. None: it is done."""
        item = self.find(wire.item_id, wire.output_index, kind)
        if item is None and self._is_done(wire.item_id, wire.output_index, kind):
            return None
        return item or self.begin(wire.item_id, wire.output_index, kind, found)

    def find(self, key: str | None, index: int | None, kind: ItemKind) -> OpenItem | None:
        """By id, else by place, else, where the provider gives neither, the newest open one of its kind."""
        item = self.all.get(key) if key else None
        if item is not None and item.kind == kind:
            return item
        alike = [item for item in reversed(self.all.values()) if item.kind == kind]
        placed = (item for item in alike if (not key if index is None else item.index == index))
        return next(placed, None) or next((i for i in alike if not i.is_named), None)

    def begin(
        self, key: str | None, index: int | None, kind: ItemKind, found: list[ModelEvent]
    ) -> OpenItem:
        """A new open item. Raises: ModelError, for one too many."""
        self._size.begin()
        check_ids(key)
        is_unique = self._name is None or len(key or "") >= UNIQUE_ID_CHARACTERS_MIN
        item_id = key if key and key not in self._used and is_unique else self._made_up_id(index)
        self._used.add(item_id)
        text = self._size.of_text(item_id)
        is_named = bool(key) or index is not None
        item = OpenItem(ItemId(item_id), kind, key or item_id, index, text, is_named)
        self.all[item.key] = item
        found.append(ItemStarted(item.id, kind))
        return item

    def _is_done(self, key: str | None, index: int | None, kind: ItemKind) -> bool:
        """Whether an item is done, of which the provider says id and place: either alone may be another's."""
        return bool(key) and index is not None and (key, index, kind) in self._done

    def _made_up_id(self, index: int | None) -> str:
        if self.response_id is None:
            self.response_id = f"resp_{token_hex(8)}"
        base = (
            f"item_{self._name or self.response_id}_{len(self._used) if index is None else index}"
        )
        made_up, again = base, 1
        while made_up in self._used:
            again += 1
            made_up = f"{base}_{again}"
        return made_up

    def same(self, read: ProviderItem) -> OpenItem | None:
        """The open message whose deltas are the text of this one, under another id."""
        if not isinstance(read, MessageItem) or not read.text:
            return None
        alike = [item for item in self.all.values() if item.kind == "message"]
        return next((item for item in alike if "".join(item.pieces) == read.text), None)

    def complete(
        self,
        read: ProviderItem,
        whole: msgspec.Raw,
        key: str | None,
        index: int | None,
        found: list[ModelEvent],
    ) -> OpenItem | None:
        """The item that is complete now, and no longer open; None where this was said before."""
        kind, key = read.kind, read.id or key
        opened = self.find(key, index, kind)
        whole_once = (key or "", None if key else index, bytes(whole))
        if opened is None and (whole_once in self._wholes or self._is_done(key, index, kind)):
            return None
        item = opened or self.same(read) or self.begin(key, index, kind, found)
        if key or index is not None:
            self._wholes.add(whole_once)
            self._done.add((key or "", index, kind))
        self.all = {key: other for key, other in self.all.items() if other is not item}
        return item
