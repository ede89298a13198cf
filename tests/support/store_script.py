"""A long script of everything that a store does, by dice, told to a ledger as it goes.

Law: an operation is in the ledger as accepted before the store hears of it, and as acknowledged only after it
has answered. What fails and says that nothing was done is taken out again; what fails otherwise is left open.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import Draft, EventStore, NotFound, StoreError, StoreFailed
from store_engines import NOON_US, append, placed
from store_ledger import Ledger, Life

STREAMS_MAX = 8
# Some records are longer than a sector, most are not.
SIZES = (0, 0, 0, 40, 400, 1500)


class Script:
    """So many operations on one store, opened again now and then."""

    def __init__(self, seed: int, operations: int, *, reopens: bool = True) -> None:
        self.ledger = Ledger()
        self.done = 0
        self.failures: list[StoreError] = []
        self.on_done: Callable[[], None] = lambda: None
        self._dice = random.Random(seed)
        self._left = operations
        self._reopens = reopens
        self._drafts: dict[tuple[str, str], Draft] = {}
        self._made = 0

    async def run(self, files: FileSystem, data_dir: str, state_dir: str) -> None:
        """All of them."""
        while self._left > 0:
            async with open_jsonl_store(data_dir, state_dir=state_dir, files=files) as store:
                while self._left > 0 and await self.step(store):
                    pass
            self._drafts.clear()

    async def step(self, store: EventStore) -> bool:
        """One operation; False to have the store opened again."""
        self._left -= 1
        operation = self._dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if not self._alive():
            operation = "first"
        if operation == "reopen":
            return not self._reopens
        doing: Callable[[EventStore], Awaitable[None]] = getattr(self, f"_{operation}")
        await doing(store)
        self.done += 1
        self.on_done()
        return True

    def _alive(self, *, archived: bool = False) -> list[str]:
        lives = self.ledger.lives.items()
        return [
            name
            for name, life in lives
            if life.gone == "no" and life.archived == archived and not life.stuck
        ]

    def _name(self) -> str:
        self._made += 1
        return f"s{self._made}"

    async def _first(self, store: EventStore) -> None:
        if len(self._alive()) < STREAMS_MAX:
            await self._append_to(store, self._name(), durable=self._dice.random() < 0.5)

    async def _ordered(self, store: EventStore) -> None:
        await self._append_to(store, self._dice.choice(self._alive()), durable=False)

    async def _durable(self, store: EventStore) -> None:
        await self._append_to(store, self._dice.choice(self._alive()), durable=True)

    async def _burst(self, store: EventStore) -> None:
        """Several streams at once, each with some appends one after another."""
        busy = self._dice.sample(self._alive(), min(3, len(self._alive())))
        plan = [(name, [self._dice.random() < 0.4 for _ in range(3)]) for name in busy]

        async def write(name: str, durables: list[bool]) -> None:
            for durable in durables:
                if not await self._append_to(store, name, durable=durable):
                    return

        async with trio.open_nursery() as nursery:
            for row in plan:
                nursery.start_soon(write, *row)

    async def _append_to(self, store: EventStore, name: str, *, durable: bool) -> bool:
        life = self.ledger.lives.setdefault(name, Life())
        version = life.acked
        count = self._dice.choice((1, 1, 1, 2, 4))
        told = self.ledger.next_numbers(count)
        events = [placed(number, self._dice.choice(SIZES)) for number in told]
        before = (list(life.ends), dict(life.told))
        last = life.accept(version + 1, told)
        key = f"k{told[0]}" if self._dice.random() < 0.3 else None
        try:
            await append(store, name, version, *events, durable=durable, key=key)
        except StoreError as error:
            self.failures.append(error)
            if isinstance(error, StoreFailed) and error.retry:
                life.ends, life.told = before
            await self._look_again(store, name, life)
            return False
        life.ack(last, durable=durable)
        return True

    async def _look_again(self, store: EventStore, name: str, life: Life) -> None:
        """After a failure: open it anew and go on from what is there."""
        store.close(name)
        try:
            version = (await store.head(name)).version
        except NotFound:
            assert life.durable <= life.base, f"{name} is gone after {self.failures}"
            version = life.base
            life.gone = "no" if life.parent is None else "perhaps"
        except StoreError as again:
            self.failures.append(again)
            life.stuck = True
            return
        assert version >= life.durable, f"{name}: {version} of {life.durable} after {self.failures}"
        assert version in {life.base, *life.ends}, f"{name}: half an append after {self.failures}"
        life.ends = [end for end in life.ends if end <= version]
        life.acked = version

    async def _fork(self, store: EventStore) -> None:
        if len(self._alive()) >= STREAMS_MAX:
            return await self._delete(store)
        parent = self._dice.choice(self._alive() + self._alive(archived=True))
        source = self.ledger.lives[parent]
        at = self._dice.choice([source.base, *(end for end in source.ends if end <= source.acked)])
        if at < source.base or source.acked == 0:
            return None
        name = self._name()
        life = Life(source, at, durable=0)
        told = self.ledger.next_numbers(self._dice.choice((1, 3)))
        last = life.accept(at + 1, told)
        self.ledger.lives[name] = life
        events = [placed(number) for number in told]
        try:
            await store.fork(parent, at, name, events, at_us=NOON_US)
        except StoreError as error:
            self.failures.append(error)
            life.gone = "perhaps"
            return None
        life.ack(last, durable=True)
        source.ack(at, durable=True)  # a child names what its parent can no longer lose
        return None

    async def _archive(self, store: EventStore) -> None:
        await self._move(store, self._dice.choice(self._alive()), True)

    async def _unarchive(self, store: EventStore) -> None:
        if archived := self._alive(archived=True):
            await self._move(store, self._dice.choice(archived), False)

    async def _move(self, store: EventStore, name: str, archived: bool) -> None:
        life = self.ledger.lives[name]
        life.archived = None
        try:
            await (store.archive if archived else store.unarchive)(name)
        except StoreError as error:
            self.failures.append(error)
            return
        life.archived = archived
        if archived:
            life.ack(life.acked, durable=True)

    async def _delete(self, store: EventStore) -> None:
        lives = self.ledger.lives
        parents = {id(life.parent) for life in lives.values() if life.gone != "yes"}
        free = [name for name in self._alive() if id(lives[name]) not in parents]
        if not free:
            return
        life = lives[name := self._dice.choice(free)]
        life.gone = "perhaps"
        for place in [place for place in self.ledger.drafts if place[0] == name]:
            del self.ledger.drafts[place]
            self._drafts.pop(place, None)
        try:
            await store.delete(name)
        except StoreError as error:
            self.failures.append(error)
            return
        life.gone = "yes"

    async def _draft(self, store: EventStore) -> None:
        place = (self._dice.choice(self._alive()), f"item-{self.ledger.next_numbers(1)[0]}")
        try:
            self._drafts[place] = store.open_draft(*place, b'{"item":1}')
        except StoreError as error:
            self.failures.append(error)
            return
        self.ledger.drafts[place] = b""

    async def _grow(self, store: EventStore) -> None:
        for place, draft in self._drafts.items():
            word = b"word %d " % self.ledger.next_numbers(1)[0]
            before = self.ledger.drafts.pop(place)
            try:
                draft.append(word)
            except StoreError as error:
                self.failures.append(error)
                continue
            self.ledger.drafts[place] = before + word
        self._drafts = {p: d for p, d in self._drafts.items() if p in self.ledger.drafts}

    async def _keep(self, store: EventStore) -> None:
        if self._drafts:
            place = next(iter(self._drafts))
            text, draft = self.ledger.drafts.pop(place), self._drafts.pop(place)
            try:
                blob = await draft.keep()
            except StoreError as error:
                self.failures.append(error)
                return
            self.ledger.blobs[blob.sha256] = text

    async def _blob(self, store: EventStore) -> None:
        content = b"%d" % self._dice.randrange(6) * self._dice.choice((1, 3000))
        try:
            self.ledger.blobs[(await store.put_blob(content)).sha256] = content
        except StoreError as error:
            self.failures.append(error)

    async def _forget(self, store: EventStore) -> None:
        store.close(self._dice.choice(self._alive()))


_WEIGHTS = {
    "first": 5,
    "ordered": 30,
    "durable": 20,
    "burst": 5,
    "fork": 8,
    "archive": 5,
    "unarchive": 6,
    "delete": 4,
    "draft": 5,
    "grow": 6,
    "keep": 2,
    "blob": 4,
    "forget": 4,
    "reopen": 3,
}
