"""Idempotency keys of requests that make a thread: the same key makes one, also when it is asked for twice at once.

Kept in memory: a client repeats within its reconnect, and a key of a turn, which costs something, is in the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from codexd.core.ids import ThreadId

# Keys that are remembered: more than clients make threads in the time that a reconnect takes.
THREAD_KEYS_KEPT_MAX = 1024


class ThreadKeys:
    """Which thread a key led to."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadId] = {}
        self._asked: dict[str, tuple[trio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def alone(self, key: str | None) -> AsyncIterator[ThreadId | None]:
        """Be the only one to ask under the key; gives the thread that it led to before."""
        if key is None:
            yield None
            return
        lock, askers = self._asked.setdefault(key, (trio.Lock(), []))
        askers.append(None)
        try:
            async with lock:
                yield self._threads.get(key)
        finally:
            askers.pop()
            if not askers:
                del self._asked[key]

    def remember(self, key: str | None, thread_id: ThreadId) -> None:
        """The key led to this thread."""
        if key is None:
            return
        self._threads[key] = thread_id
        if len(self._threads) > THREAD_KEYS_KEPT_MAX:
            del self._threads[next(iter(self._threads))]
