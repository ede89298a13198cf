"""The hooks of a daemon: a durable consumer of the log for each, started, replaced and stopped while it runs. I/O."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import trio
from msgspec.structs import replace

from codexd.core.events.events import InvalidEvent
from codexd.exec.ports import Processes
from codexd.hooks.delivery import Delivery
from codexd.hooks.hook import NOTIFY, Hook, InvalidHook
from codexd.hooks.known_hooks import HOOKS_MAX, KnownHooks
from codexd.hooks.payload import delivered_of
from codexd.hooks.receipts import Receipt, dead_letters
from codexd.index.build.rows import is_thread
from codexd_eventstore.consumers import Consumed, Consumer
from codexd_eventstore.event_log import NotFound, Record, StoreError
from codexd_eventstore.reading import record_at

log = logging.getLogger(__name__)

# As Codex's documentation allows: commands of `notify` that run at once; those of another hook run one by one.
NOTIFIED_AT_ONCE: Final = 4


def _now_us() -> int:
    return time.time_ns() // 1000


class Hooks:
    """Runs the hooks that people have added, and the command of `notify`.

    Args:
        variables: the environment of a person's commands.
        is_watched: whether a client follows a thread.
        notify: the command of `notify` in config.toml; empty: none.
        cwd: where that command runs.
    """

    def __init__(
        self,
        store: Consumed,
        processes: Processes,
        variables: Callable[[], Awaitable[Mapping[str, str]]],
        is_watched: Callable[[str], bool],
        notify: Callable[[], Sequence[str]],
        cwd: Path,
    ) -> None:
        self._store, self._notify, self._cwd = store, notify, cwd
        self._delivery = Delivery(store, processes, variables, is_watched, _now_us)
        self._known = KnownHooks(store, _now_us)
        self._loaded = trio.Event()
        self._scopes: dict[str, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Run them until it is cancelled."""
        try:
            await self._known.load()
        except StoreError as problem:
            log.error("no hook runs: %s", problem)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for hook in self._known.hooks.values():
                self._begin(hook)
            self._loaded.set()
            self.look_at_config()
            await trio.sleep_forever()

    async def all(self) -> list[Hook]:
        """The hooks that people have added, by name."""
        await self._loaded.wait()
        return [hook for _, hook in sorted(self._known.hooks.items())]

    async def add(self, hook: Hook, *, again: bool = False) -> Hook:
        """Add a hook, or replace the one of its name.

        Args:
            again: it runs for events since `since_us` again that it has run for.

        Raises:
            InvalidHook, StoreError: nothing was added.
        """
        await self._loaded.wait()
        before = self._known.hooks.get(hook.name)
        if before is None and len(self._known.hooks) >= HOOKS_MAX:
            raise InvalidHook(f"expected at most {HOOKS_MAX} hooks; nothing was added")
        if before is not None:
            hook = replace(hook, generation=before.generation + (1 if again else 0))
        await self._known.put(hook)
        self._stop(hook.name)
        self._begin(hook)
        return hook

    async def remove(self, name: str) -> bool:
        """Remove a hook; False if there is none of this name. Raises: StoreError."""
        await self._loaded.wait()
        removed = await self._known.remove(name)
        if removed:
            self._stop(name)
        return removed

    async def find(self, name: str) -> Hook | None:
        """A hook by its name."""
        await self._loaded.wait()
        return self._known.hooks.get(name)

    async def dead(self, hook: Hook) -> list[tuple[str, Receipt]]:
        """The events that were given up, oldest first, each with when. Raises: StoreError."""
        return await dead_letters(self._store, hook)

    async def retry(self, hook: Hook) -> tuple[int, int]:
        """Run a hook once more for each event that was given up; how many are done now, and how many are not."""
        done = failed = 0
        for _, letter in await self.dead(hook):
            try:
                record = await record_at(self._store, letter.thread_id, letter.seq)
                delivered = await delivered_of(self._store, letter.thread_id, record)
                if await self._delivery.deliver_again(hook, delivered, letter.attempt + 1):
                    done += 1
                    continue
            except (NotFound, ValueError):  # the thread was deleted
                pass
            failed += 1
        return done, failed

    def look_at_config(self) -> None:
        """Run the command of `notify`, if config.toml has one, for turns that end from now on."""
        if self._nursery is not None and NOTIFY not in self._scopes and self._notify():
            self._begin(Hook(NOTIFY, ("turn.completed",), (), str(self._cwd), None, _now_us()))

    def _begin(self, hook: Hook) -> None:
        assert self._nursery is not None, "hooks run"
        scope = self._scopes[hook.name] = trio.CancelScope()
        self._nursery.start_soon(self._consume, hook, scope)

    def _stop(self, name: str) -> None:
        if (scope := self._scopes.pop(name, None)) is not None:
            scope.cancel()

    async def _consume(self, hook: Hook, scope: trio.CancelScope) -> None:
        at_once = trio.CapacityLimiter(NOTIFIED_AT_ONCE if hook.name == NOTIFY else 1)

        async def handle(stream: str, records: Sequence[Record]) -> None:
            if not is_thread(stream):
                return
            for record in records:
                event = record.type
                if hook.wants(event, stream):
                    async with at_once:
                        await self._deliver(hook, stream, record)

        with scope:
            await Consumer(self._store, hook.consumer, handle, since_us=hook.since_us).run()

    async def _deliver(self, hook: Hook, thread_id: str, record: Record) -> None:
        is_notify = hook.name == NOTIFY
        if is_notify:
            hook = replace(hook, argv=tuple(self._notify()))
        try:
            delivered = await delivered_of(self._store, thread_id, record, is_notify=is_notify)
        except InvalidEvent as problem:
            log.error("hook %s: an event is passed over: %s", hook.name, problem)
            return
        context = delivered.context
        if context.is_review or (is_notify and (context.kind != "user" or not hook.argv)):
            return
        await self._delivery.deliver(hook, delivered)
