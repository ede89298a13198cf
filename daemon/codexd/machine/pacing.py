"""Long work on the event loop in steps; other tasks run between two steps.

Law: no work on foreign text holds the loop longer than 50 ms. Work that grows with a thread is done record by record,
or item by item, and calls `next` after each; the time for a single record or item is bounded by its size.
"""

from __future__ import annotations

from time import perf_counter
from typing import Final

import trio

# The length of a step without its last record: long enough to read most threads in one step.
STEP_SECONDS: Final = 0.01


class Steps:
    """One piece of work in steps."""

    def __init__(self) -> None:
        self._begun = perf_counter()

    @property
    def is_over(self) -> bool:
        """Whether this step has taken long: then `next` is due. Asked without a coroutine, so for each of many records."""
        return perf_counter() - self._begun >= STEP_SECONDS

    async def next(self) -> None:
        """Let other tasks run, if this step has taken long."""
        if self.is_over:
            await trio.lowlevel.checkpoint()
            self._begun = perf_counter()
