"""A frontend's position in a thread: enough to continue without gaps or duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from codexd_frontends.client.messages import DeltaNote, ItemNote, Message

_items = msgspec.json.Decoder(ItemNote)
_deltas = msgspec.json.Decoder(DeltaNote)

_NOTHING: Mapping[str, int] = MappingProxyType({})


class Cursor(msgspec.Struct, frozen=True):
    """The last `seq` seen, and of each open item the bytes of its text that are here."""

    seq: int = 0
    items: Mapping[str, int] = _NOTHING

    def past(self, message: Message) -> Cursor:
        """The cursor after a notification of this thread."""
        return Cursor(seq=max(self.seq, message.seq or 0), items=self._items_past(message))

    def _items_past(self, message: Message) -> Mapping[str, int]:
        match message.method:
            case "item/completed":
                done = _items.decode(message.params).read_item().id
                return {item: have for item, have in self.items.items() if item != done}
            case str(method) if method.endswith(("Delta", "/delta")):
                delta = _deltas.decode(message.params)
                offset = message.offset if message.offset is not None else delta.offset
                return self.items if offset is None else {**self.items, delta.item_id: offset}
            case "turn/completed":
                return _NOTHING
            case _:
                return self.items

    def as_params(self) -> dict[str, object]:
        """The `after` of thread/resume."""
        return {"seq": self.seq, "items": dict(self.items)}
