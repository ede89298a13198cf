"""Tells the service manager that the daemon works, after a look whether it does.

The message comes from the event loop, so a loop that is held up sends none; and it is sent only after the event log
has written what waited for the disk. A write that fails is an answer of the disk, and no reason to be restarted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio

from codexd.service.manager import Manager

log = logging.getLogger(__name__)

# How often the status is looked at where no manager watches.
STATUS_SECONDS = 10.0


async def keep_told(
    manager: Manager, status: Callable[[], str], log_answers: Callable[[], Awaitable[None]]
) -> None:
    """Send the status when it changes, and a sign of life twice in each interval of the watchdog, until cancelled."""
    if not manager.listens:
        return
    watchdog = manager.watchdog_seconds
    pause = STATUS_SECONDS if watchdog is None else min(STATUS_SECONDS, watchdog / 2)
    while True:
        if watchdog is None:
            manager.show(status())
        else:
            with trio.move_on_after(watchdog / 2) as check:
                await log_answers()
            if check.cancelled_caught:
                log.error("the event log has not answered for %g s", watchdog / 2)
                manager.show("the disk of the event log does not answer")
                continue
            manager.send("WATCHDOG=1")
            manager.show(status())
        await trio.sleep(pause)
