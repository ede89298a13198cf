"""Lists in memory that say what a store must answer, and random operations on both, by hypothesis.

Law: the oracle knows the contract and nothing of any engine. Whatever a sequence of calls is, the store
answers as the lists do, errors included.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from codexd_eventstore.store import (
    Conflict,
    EventStore,
    Exists,
    NotFound,
    Record,
    Refused,
    Snapshot,
    StoreError,
    Subscription,
)
from store_engines import NOON_US, append, numbers, placed

NAMES = ("a", "b", "c", "d")

streams = st.sampled_from(NAMES)
# Near the ends of short lists, and beyond them.
layout = st.integers(min_value=0, max_value=14)


@dataclass
class Expected:
    """One stream as a list."""

    numbers: list[int] = field(default_factory=list)
    ends: set[int] = field(default_factory=lambda: {0})  # where appends end, and forks may begin
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    archived: bool = False
    parent: str | None = None
    base: int = 0  # how many it shares with its parent
    snapshot: Snapshot | None = None
    agrees: bool = True  # whether what was taken in the snapshot is still so

    def rows(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Seq and number of the records behind a place."""
        found = self.numbers[after : after + limit]
        return list(enumerate(found, after + 1))


class StoreMachine(RuleBasedStateMachine):
    """Random calls on one store; `perform` runs a coroutine in the run that owns the store."""

    store: EventStore
    perform: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[str, Expected] = {}
        self.followers: list[tuple[str, Subscription, int]] = []
        self.count = 0
        self.open()

    def open(self) -> None:
        """Make an empty store."""
        raise NotImplementedError

    def reopen_store(self, *, forgets: bool) -> None:
        """Close the store and open it again, where an engine can, perhaps without what may be lost."""

    def raises(self, error: type[StoreError], call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """The call is refused in this way."""

        async def attempt() -> None:
            try:
                await call()
            except error:
                return
            raise AssertionError(f"expected {error.__name__}")

        self.perform(attempt)

    @rule(
        stream=streams,
        count=st.integers(1, 4),
        off=st.sampled_from((0, 0, 0, 0, -1, 1)),
        durable=st.booleans(),
        key=st.sampled_from((None, None, "k1", "k2", "k3")),
    )
    def append(self, stream: str, count: int, off: int, durable: bool, key: str | None) -> None:
        """At the right version or beside it, with a key that may have been seen."""
        known = self.expected.get(stream, Expected())
        version = max(0, len(known.numbers) + off)
        told = list(range(self.count + 1, self.count + count + 1))
        self.count += count

        async def call() -> Any:
            events = [placed(number) for number in told]
            return await append(store, stream, version, *events, durable=durable, key=key)

        store = self.store
        if key is not None and key in known.keys:
            answer = self.perform(call)
            assert (answer.first, answer.last, answer.repeated) == (*known.keys[key], True)
        elif known.archived:
            self.raises(Refused, call)
        elif version != len(known.numbers):
            self.raises(Conflict if known.numbers else NotFound, call)
        else:
            answer = self.perform(call)
            assert (answer.first, answer.repeated) == (version + 1, False)
            known.numbers += told
            known.ends.add(len(known.numbers))
            if key is not None:
                known.keys[key] = (answer.first, answer.last)
            self.expected[stream] = known

    @rule(stream=streams, after=layout, limit=st.integers(1, 6))
    def read(self, stream: str, after: int, limit: int) -> None:
        """A range, forwards and back."""
        if (known := self.expected.get(stream)) is None:
            self.raises(NotFound, lambda: self.store.read(stream, after=after))
            self.raises(NotFound, lambda: self.store.read_back(stream, before=after))
            return
        found = self.perform(lambda: self.store.read(stream, after=after, limit=limit))
        assert numbers(found) == known.rows(after, limit)
        found = self.perform(lambda: self.store.read_back(stream, before=after, limit=limit))
        end = min(len(known.numbers), max(0, after - 1))
        first = max(0, end - limit)
        assert numbers(found) == known.rows(first, end - first)[::-1]

    @rule(stream=streams, after=layout)
    def subscribe(self, stream: str, after: int) -> None:
        """From any position that there is."""
        if stream in self.expected and len(self.followers) < 6:
            after = min(after, len(self.expected[stream].numbers))
            subscription = self.store.subscribe(stream, after=after).__enter__()
            self.followers.append((stream, subscription, after))

    @rule(place=st.integers(0, 5), cancels=st.booleans())
    def step(self, place: int, cancels: bool) -> None:
        """One piece for a follower, which goes on where it was, or goes away."""
        if place >= len(self.followers):
            return
        stream, subscription, position = self.followers.pop(place)
        known = self.expected[stream]
        if cancels:
            return

        async def receive() -> Any:
            with trio.move_on_after(0.0 if position == len(known.numbers) else 5):
                return await subscription.receive()
            return ()

        found = list(self.perform(receive))
        assert numbers(found) == known.rows(position, len(found))
        assert bool(found) == (position < len(known.numbers))
        self.followers.append((stream, subscription, position + len(found)))

    @rule(parent=streams, child=streams, at=layout)
    def fork(self, parent: str, child: str, at: int) -> None:
        """Anywhere, also where it cannot be."""
        self.count += 1
        number = self.count

        def call() -> Coroutine[Any, Any, Any]:
            return self.store.fork(parent, at, child, [placed(number)], at_us=NOON_US)

        source = self.expected.get(parent)
        if source is None:
            self.raises(NotFound, call)
        elif at not in source.ends:
            self.raises(Refused, call)
        elif child in self.expected:
            self.raises(Exists, call)
        else:
            answer = self.perform(call)
            assert (answer.first, answer.last) == (at + 1, at + 1)
            ends = {end for end in source.ends if end <= at} | {at + 1}
            shared = source.numbers[:at]
            self.expected[child] = Expected([*shared, number], ends, parent=parent, base=at)

    @rule(stream=streams, archived=st.booleans())
    def move(self, stream: str, archived: bool) -> None:
        """Put aside or bring back; twice is allowed."""
        call = self.store.archive if archived else self.store.unarchive
        if stream not in self.expected:
            self.raises(NotFound, lambda: call(stream))
            return
        self.perform(lambda: call(stream))
        self.expected[stream].archived = archived

    @rule(stream=streams, detaches=st.booleans())
    def delete(self, stream: str, detaches: bool) -> None:
        """Refused where it has children, unless they get copies of what they share."""
        children = [known for known in self.expected.values() if known.parent == stream]
        delete = partial(self.store.delete, stream, detach_children=detaches)
        if stream not in self.expected:
            self.raises(NotFound, delete)
        elif children and not detaches:
            self.raises(Refused, delete)
        else:
            self.perform(delete)
            del self.expected[stream]
            for child in children:
                child.parent, child.base = None, 0
            self.followers = [row for row in self.followers if row[0] != stream]

    @rule(stream=streams, seq=layout)
    def scrub(self, stream: str, seq: int) -> None:
        """One of its own records gets other data; whoever shares it sees that."""
        known = self.expected.get(stream)
        if known is None:
            self.raises(NotFound, partial(self.store.scrub, stream, lambda _: None, at_us=NOON_US))
            return
        self.count += 1
        number = self.count

        def edit(record: Record) -> bytes | None:
            return placed(number).data if record.seq == seq else None

        changes = known.base < seq <= len(known.numbers)
        done = self.perform(partial(self.store.scrub, stream, edit, at_us=NOON_US))
        assert done.changed == int(changes)
        if changes:
            self.rewrite(stream, seq, number)

    def rewrite(self, stream: str, seq: int, number: int) -> None:
        """In the lists: there, and in all that share it."""
        known = self.expected[stream]
        known.numbers[seq - 1] = number
        if known.snapshot is not None and seq <= known.snapshot.seq:
            known.agrees = False
        for name, other in self.expected.items():
            if other.parent == stream and seq <= other.base:
                self.rewrite(name, seq, number)

    @rule(stream=streams, seq=layout)
    def set_snapshot(self, stream: str, seq: int) -> None:
        """Of some of its records."""
        if (known := self.expected.get(stream)) is None:
            return
        taken = Snapshot(min(seq, len(known.numbers)), b"%d" % seq)
        self.perform(partial(self.store.set_snapshot, stream, "fold", taken))
        known.snapshot, known.agrees = taken, True

    @rule(stream=streams)
    def snapshot(self, stream: str) -> None:
        """The one that was set, or none; none where the log is another one since."""
        if (known := self.expected.get(stream)) is None:
            return
        found = self.perform(partial(self.store.snapshot, stream, "fold"))
        assert found is None or (known.agrees and found == known.snapshot)

    @rule(stream=streams, seq=layout)
    def checkpoint(self, stream: str, seq: int) -> None:
        """Set, and read back."""
        if stream in self.expected:
            self.perform(lambda: self.store.set_checkpoint("index", stream, seq))
            assert self.perform(lambda: self.store.checkpoint("index", stream)) == seq

    @rule(stream=streams)
    def forget(self, stream: str) -> None:
        """Close it; it is opened again by whoever needs it."""
        self.perform(lambda: self._close(stream))

    async def _close(self, stream: str) -> None:
        self.store.close(stream)

    @precondition(lambda self: self.expected)
    @rule(forgets=st.booleans())
    def reopen(self, forgets: bool) -> None:
        """A restart: followers end with it."""
        self.followers.clear()
        self.reopen_store(forgets=forgets)

    @invariant()
    def heads_and_lists_agree(self) -> None:
        """The streams are those of the lists, and stand where they say."""
        for archived in (False, True):
            rows = self.perform(partial(self.store.streams, archived=archived))
            names = {name for name, known in self.expected.items() if known.archived == archived}
            assert {row.stream for row in rows} == names
        for name, known in self.expected.items():
            head = self.perform(partial(self.store.head, name))
            assert (head.version, head.archived) == (len(known.numbers), known.archived)

    def teardown(self) -> None:
        """At the end everything verifies and reads back whole."""
        for name, known in self.expected.items():
            assert self.perform(partial(self.store.verify, name)).damage is None
            found = self.perform(partial(self.store.read, name))
            assert numbers(found) == known.rows(0, len(known.numbers))
