"""Removes what deleted threads have left: blobs that nothing names any more, one sweep at a time, in the background.

Law: a sweep that is cut short costs space and nothing else; `codexctl fsck --sweep` does it later.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import trio

from codexd_eventstore.store import Maintenance, StoreError

log = logging.getLogger(__name__)


class Sweeper:
    """The names that wait to be looked at."""

    def __init__(self, store: Maintenance) -> None:
        self._store = store
        self._names: set[str] = set()
        self._news = trio.Event()

    def sweep_soon(self, names: Collection[str]) -> None:
        """Have these removed if nothing names them."""
        if names:
            self._names.update(names)
            self._news.set()

    async def run(self) -> None:
        """Sweep whenever something waits, until cancelled."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            names, self._names = self._names, set()
            try:
                swept = await self._store.sweep_blobs(names)
            except StoreError as error:
                log.warning("what deleted threads have left could not be removed: %s", error)
            else:
                log.info("%d blobs of deleted threads were removed", swept.removed)
