"""Long work of the event loop in steps: others have their turn between two of them.

The law: no work on foreign text holds the loop longer than 50 ms. What grows with a thread is done record by record, or
item by item, and asks here after each of them; what one of those may take is bounded where it comes in.
"""

from __future__ import annotations

from time import perf_counter
from typing import Final

import trio

# A step, besides what the last record takes: long enough that most threads are read in one.
STEP_SECONDS: Final = 0.01


class Steps:
    """One piece of work, cut into steps."""

    def __init__(self) -> None:
        self._begun = perf_counter()

    async def next(self) -> None:
        """Where the work may be interrupted: the others go on, if this step has taken long."""
        if perf_counter() - self._begun >= STEP_SECONDS:
            await trio.lowlevel.checkpoint()
            self._begun = perf_counter()
