"""What a store was told and what it answered, so that whatever is left of it later can be judged.

Law: acknowledged ⊆ recovered ⊆ accepted. What a durable append was acknowledged for is there; what is there was
accepted; an append is there whole or not at all. What was acknowledged as ordered may be missing only if no durable
append of its stream was acknowledged behind it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from codexd_eventstore.store import EventStore, NotFound, Record
from store_engines import append, numbers


@dataclass
class Life:
    """One stream, as the one who writes it knows it."""

    parent: Life | None = None
    base: int = 0
    ends: list[int] = field(default_factory=list)  # where each accepted append ends
    told: dict[int, int] = field(default_factory=dict)  # the number of the event at each own seq
    durable: int = 0  # up to here it must be there after a power cut
    acked: int = 0  # up to here it must be there after the death of the process
    archived: bool | None = False  # None: it is on its way
    gone: Literal["no", "perhaps", "yes"] = "no"
    stuck: bool = False  # it failed and could not be opened again: nothing more is asked of it

    def number(self, seq: int) -> int:
        """The number of the event at a seq, inherited ones included."""
        if seq > self.base or self.parent is None:
            return self.told[seq]
        return self.parent.number(seq)

    def accept(self, first: int, numbers_told: list[int]) -> int:
        """Note what is being appended; its last seq."""
        last = first + len(numbers_told) - 1
        self.ends.append(last)
        self.told |= dict(zip(range(first, last + 1), numbers_told, strict=True))
        return last

    def ack(self, last: int, *, durable: bool) -> None:
        """Note the answer."""
        self.acked = max(self.acked, last)
        if durable:
            self.durable = max(self.durable, last)

    def is_possible(self, version: int) -> bool:
        """Whether an append ends there."""
        return version in self.ends


@dataclass
class Ledger:
    """All streams, blobs and drafts of one store."""

    lives: dict[str, Life] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)  # acknowledged
    drafts: dict[tuple[str, str], bytes] = field(default_factory=dict)  # shown, by stream and name
    numbers: int = 0

    def copy(self) -> Ledger:
        """As it is now."""
        return copy.deepcopy(self)

    def next_numbers(self, count: int) -> list[int]:
        """Numbers that no event has had."""
        self.numbers += count
        return list(range(self.numbers - count + 1, self.numbers + 1))


async def judge(
    store: EventStore, ledger: Ledger, *, died: bool, goes_on: Collection[str] | None = None
) -> None:
    """Hold the store to the law, then append and hold it again.

    Args:
        died: only the process died, and so all that was acknowledged is there.
        goes_on: the streams to append to; None for all.
    """
    listed = {row.stream for old in (False, True) for row in await store.streams(archived=old)}
    assert listed <= set(ledger.lives), "a stream came from nowhere"
    for sha256, content in ledger.blobs.items():
        assert await store.read_blob(sha256) == content
    for name, life in ledger.lives.items():
        version = await judge_stream(store, name, life, died=died)
        if version is not None and (goes_on is None or name in goes_on):
            await go_on(store, name, version)
    for stream in {stream for stream, _ in ledger.drafts}:
        found = {left.name: left.content for left in await store.left_drafts(stream)}
        if died:
            expected = {n: text for (s, n), text in ledger.drafts.items() if s == stream}
            assert expected.items() <= found.items()
        await store.drop_left_drafts(stream)


async def judge_stream(store: EventStore, name: str, life: Life, *, died: bool) -> int | None:
    """One stream; the version that it has."""
    floor = life.acked if died else life.durable
    try:
        head = await store.head(name)
    except NotFound:
        assert life.gone != "no" or floor == 0, f"{name}: {floor} records are lost"
        return None
    assert life.gone != "yes", f"{name} was deleted and is there again"
    assert life.is_possible(head.version), f"{name}: half an append is there, up to {head.version}"
    assert head.version >= floor, f"{name}: {head.version} records of {floor} are there"
    if life.archived is not None:
        assert head.archived == life.archived, f"{name}: archived is {head.archived}"
    assert head.parent is None or life.parent is not None
    records = await read_all(store, name)
    expected = [(seq, life.number(seq)) for seq in range(1, head.version + 1)]
    assert numbers(records) == expected, name
    return head.version


async def go_on(store: EventStore, name: str, version: int) -> None:
    """Append to a stream that was found with this version, and check all of it."""
    records = await read_all(store, name)
    await store.unarchive(name)
    await append(store, name, version, durable=True)
    again = await read_all(store, name)
    assert again[:version] == records
    assert len(again) == version + 1
    assert (await store.verify(name)).damage is None, name


async def read_all(store: EventStore, name: str) -> list[Record]:
    """All records of a stream."""
    records: list[Record] = []
    while page := await store.read(name, after=len(records)):
        records += page
    return records
