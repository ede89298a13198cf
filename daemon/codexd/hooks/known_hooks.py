"""The hooks that there are: a fold of their own stream, so that what was acknowledged outlives the daemon. I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import trio

from codexd.hooks.hook import Hook, InvalidHook
from codexd_eventstore.event_log import EventLog, NewEvent, NotFound
from codexd_eventstore.reading import Pages

# No thread is called so: their names are UUIDs.
HOOKS_STREAM: Final = "hooks"
# Each is a consumer that looks at every change; more than a person can keep in mind.
HOOKS_MAX: Final = 64
_ADDED: Final = "hook.added"
_REMOVED: Final = "hook.removed"


class _Removed(msgspec.Struct, frozen=True):
    name: str


class _Added(msgspec.Struct, frozen=True):
    data: Hook


class _RemovedLine(msgspec.Struct, frozen=True):
    data: _Removed


class KnownHooks:
    """The hooks by their names; only this object writes to their stream."""

    def __init__(self, store: EventLog, now_us: Callable[[], int]) -> None:
        self._store, self._now_us = store, now_us
        self._lock = trio.Lock()
        self._version = 0
        self.hooks: dict[str, Hook] = {}

    async def load(self) -> None:
        """Fold the stream. Raises: StoreError."""
        try:
            await self._store.head(HOOKS_STREAM)
        except NotFound:
            return
        async for page in Pages(self._store, HOOKS_STREAM):
            for record in page:
                if record.type == _ADDED:
                    hook = msgspec.json.decode(record.line, type=_Added).data
                    self.hooks[hook.name] = hook
                elif record.type == _REMOVED:
                    line = msgspec.json.decode(record.line, type=_RemovedLine)
                    self.hooks.pop(line.data.name, None)
                self._version = record.seq

    async def put(self, hook: Hook) -> None:
        """Add a hook, or replace the one of its name. Raises: StoreError, InvalidHook."""
        async with self._lock:
            redacted = await self._append(NewEvent(_ADDED, msgspec.json.encode(hook)))
            if redacted:
                await self._append(NewEvent(_REMOVED, msgspec.json.encode(_Removed(hook.name))))
                self.hooks.pop(hook.name, None)
                raise InvalidHook(
                    "expected a command and an address without secrets, which are never stored, found one; "
                    f"the hook {hook.name} is not there now: give it its secret by a variable or a file"
                )
            self.hooks[hook.name] = hook

    async def remove(self, name: str) -> bool:
        """Remove a hook; False if there is none of this name. Raises: StoreError."""
        async with self._lock:
            if name not in self.hooks:
                return False
            await self._append(NewEvent(_REMOVED, msgspec.json.encode(_Removed(name))))
            del self.hooks[name]
            return True

    async def _append(self, event: NewEvent) -> bool:
        """Append an event; whether something in it was redacted."""
        appended = await self._store.append(
            HOOKS_STREAM,
            [event],
            expected_version=self._version,
            at_us=self._now_us(),
            durable=True,
        )
        self._version = appended.last
        return appended.redacted
