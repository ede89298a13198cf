"""The daemon's life between its start and its end: signals, and what the service manager is told of it.

SIGTERM and SIGINT end it, after what should not be cut off or after a time; a second one ends it at once. SIGHUP has
it read its configuration and open its log again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import trio

from codexd.service.manager import Begun, Manager

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Lifetime:
    """Obeys signals and the wish to restart, until the daemon is to end."""

    def __init__(
        self,
        begun: Begun,
        drain: Callable[[float], Awaitable[int]],
        announce: Callable[[str, float], None],
    ) -> None:
        """`announce` tells clients the reason of the end, and how many seconds it may take."""
        self._begun, self._drain, self._announce = begun, drain, announce
        self._on_terminal = _is_on_terminal()
        self.restarts = False  # whether another process is to follow in this one's place
        self._ends = trio.Event()
        self._ends_now = trio.Event()

    @property
    def manager(self) -> Manager:
        return self._begun.manager

    async def run(
        self, signals: AsyncIterator[int], reload: Callable[[], str], status: Callable[[], str]
    ) -> None:
        """Tell the manager that the daemon serves; return when it is to end, and may."""
        self.manager.send("READY=1", status=status())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._obey, signals, reload)
            await self._ends.wait()
            if self.restarts:
                self._say_reloading()  # To the manager it is a reload: the process stays.
            else:
                self.manager.send("STOPPING=1", status="stopping")
            if not self.restarts and self._begun.drain_seconds:
                nursery.start_soon(self._drain_in_time)
                await self._ends_now.wait()
            nursery.cancel_scope.cancel()

    async def restart(self, seconds: float) -> int:
        """Drain, and then end for another process; returns how much is cut off."""
        self.restarts = True
        self._announce("restart", seconds)
        log.info("restarting: answers of models have %g s to come to their ends", seconds)
        try:
            return await self._drain(seconds)
        finally:
            self._ends.set()

    async def _drain_in_time(self) -> None:
        await self._drain(self._begun.drain_seconds)
        self._ends_now.set()

    async def _obey(self, signals: AsyncIterator[int], reload: Callable[[], str]) -> None:
        async for number in signals:
            # A terminal that has hung up is none any more, and its end is that of a daemon started in it.
            if number == signal.SIGHUP and self._on_terminal == _is_on_terminal():
                self._reload(reload)
                continue
            if self._ends.is_set():
                log.info("stopping at once")
            else:
                log.info("stopping: the next daemon takes up what runs")
                self.restarts = False
                self._announce("stop", self._begun.drain_seconds)
            if self._ends.is_set() or not self._begun.drain_seconds:
                self._ends_now.set()
            self._ends.set()

    def _say_reloading(self) -> None:
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.manager.send("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def _reload(self, reload: Callable[[], str]) -> None:
        self._say_reloading()
        try:
            self._begun.reopen_log()
        except OSError as error:
            log.error("the log was not opened again: %s", error)
        said = reload()
        log.info("reloaded: %s", said)
        self.manager.send("READY=1", status=said)


def _is_on_terminal() -> bool:
    return os.isatty(sys.stderr.fileno())
