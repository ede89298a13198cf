"""A thread while the disk is full: it notifies its followers, and tries again until there is space.

Law: only what the daemon itself must record waits here: a model's answer, a tool's result, a recovery. A person's
request that the disk does not take is refused at once, and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from codexd.runtime.actor.ports import Listener
from codexd_eventstore.store import StoreFailed

log = logging.getLogger(__name__)

# The wait between two attempts: how long a thread stays stalled, at most, after the disk has space again.
RETRY_SECONDS = 1.0

Result = TypeVar("Result")


class Bell:
    """Wakes the task that waits for it, however often it was rung before. `ring` never waits."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake the task that waits, or the next task that will."""
        self._rung.set()

    async def wait(self) -> None:
        await self._rung.wait()
        self._rung = trio.Event()


class Stall:
    """Whether a thread is held up by its disk, and how many writes wait."""

    def __init__(self, thread_id: str, listener: Listener) -> None:
        self.reason: str | None = None  # why the thread waits; None: it does not wait
        self._thread_id, self._listener = thread_id, listener
        self._waiting = 0
        self._space = True  # what the last append found

    async def until_written(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Make an attempt, once a second for as long as the disk is full.

        Raises: what the attempt raises, a `StoreFailed` that may be retried excepted.
        """
        try:
            return await attempt()
        except StoreFailed as failed:
            if not failed.retry:
                raise
            self._begin(failed)
        try:
            while True:
                await trio.sleep(RETRY_SECONDS)
                try:
                    return await attempt()
                except StoreFailed as failed:
                    if not failed.retry:
                        raise
        finally:
            self._end()

    def found(self, *, space: bool) -> None:
        """Note whether an append found space."""
        self._space = space

    def _begin(self, failed: StoreFailed) -> None:
        self._waiting += 1
        if self.reason is not None:
            return
        self.reason = str(failed)
        log.warning("thread %s is held up: %s", self._thread_id, failed)
        self._listener.stalled(self.reason, is_full=failed.is_full)

    def _end(self) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        self.reason = None
        if self._space:  # else the thread is unloaded while the disk is still full
            log.warning("thread %s continues: there is space again", self._thread_id)
            self._listener.unstalled()
