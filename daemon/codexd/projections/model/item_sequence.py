"""The items of a history as a value: adding items costs only the new items, and the old value is unchanged.

A sequence and those made from it share one list; each has a prefix of it. So a value that is dropped after a failed
append needs no rollback.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class ItemSequence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Encoded items in order; the first ones may be absent from memory."""

    shared: list[bytes] = []
    present: int = 0  # the number of items of `shared` in this sequence
    evicted: int = 0  # the number of items before those

    @classmethod
    def of(cls, items: list[bytes], evicted: int = 0) -> ItemSequence:
        """A sequence with a list of its own."""
        return cls(items, len(items), evicted)

    @property
    def count(self) -> int:
        """How many items there are, in memory or not."""
        return self.evicted + self.present

    @property
    def size_bytes(self) -> int:
        """Of the items that are in memory."""
        return sum(map(len, self.items()))

    def items(self, after: int = 0) -> list[bytes]:
        """The items after the first `after`, without the evicted items."""
        return self.shared[max(after - self.evicted, 0) : self.present]

    def plus(self, items: Sequence[bytes]) -> ItemSequence:
        """The sequence with more items at its end."""
        shared = self.shared
        if len(shared) != self.present:  # Another value has gone on from here.
            shared = shared[: self.present]
        shared.extend(items)
        return ItemSequence(shared, self.present + len(items), self.evicted)

    def without(self, count: int) -> ItemSequence:
        """The sequence with its first `count` items absent, in a list of its own."""
        return ItemSequence.of(self.items(count), max(count, self.evicted))

    def with_restored(self, items: Sequence[bytes]) -> ItemSequence:
        """The sequence with all items in memory; `items` are the evicted items."""
        assert len(items) == self.evicted, (
            f"{self.evicted} items are evicted, and {len(items)} came"
        )
        return ItemSequence.of([*items, *self.items()])
