"""Idempotency keys of requests that make a thread: the same key makes one thread, also for two requests at once.

The key has no thread yet whose log could record it, so the daemon records it in a stream of its own: the id of
the new thread is on disk before the thread is. A repeated request, also after a restart, gets the thread of
that id, which is made then if it was not. A request without a key writes nothing here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import msgspec
import trio

from codexd.core.values.ids import ThreadId
from codexd.runtime.daemon_stream import DAEMON_STREAM, note, noted
from codexd_eventstore.event_log import EventLog, NewEvent, StoreError


class _ThreadNamed(msgspec.Struct, frozen=True, rename="camel"):
    """A thread that is asked for under a key has this id, whether it was made or not."""

    thread_id: ThreadId


_NAMED = "thread.named"


class _Line(msgspec.Struct, frozen=True):
    data: _ThreadNamed


class ThreadKeys:
    """Which thread a key led to."""

    def __init__(self, store: EventLog, now_us: Callable[[], int]) -> None:
        self._store, self._now_us = store, now_us
        # A lock is here for as long as a request holds it or waits for it.
        self._asked = WeakValueDictionary[str, trio.Lock]()

    @asynccontextmanager
    async def alone(self, key: str | None) -> AsyncIterator[ThreadId | None]:
        """Hold the key exclusively; gives the id that was recorded under it before.

        Raises: StoreError.
        """
        if key is None:
            yield None
            return
        async with self._asked.setdefault(key, trio.Lock()):
            yield await self._named(key)

    async def name(self, key: str | None, thread_id: ThreadId) -> None:
        """A thread of this id is about to be made under the key. Raises: StoreError."""
        if key is None:
            return
        named = NewEvent(_NAMED, msgspec.json.encode(_ThreadNamed(thread_id)))
        await note(self._store, named, key=key, at_us=self._now_us())

    async def _named(self, key: str) -> ThreadId | None:
        record = await noted(self._store, key)
        if record is None:
            return None
        try:
            return msgspec.json.decode(record.line, type=_Line).data.thread_id
        except msgspec.MsgspecError as error:
            raise StoreError(
                f"stream {DAEMON_STREAM}: expected a thread's id in record {record.seq}, "
                f"found {record.type}: no thread was made"
            ) from error
