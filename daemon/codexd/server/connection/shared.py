"""What all connections have together: their bounds, and who is told that one attaches or leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from codexd.core.values.ids import ThreadId
from codexd.server.feed.outbox import AllUnread

# Answers of any size that are made at the same time, of one connection and of all: each may take several times
# `ANSWER_BYTES_MAX` while it is made.
LARGE_AT_ONCE_MAX: Final = 2
ALL_LARGE_AT_ONCE_MAX: Final = 4


class Shared:
    """One for all connections."""

    def __init__(self, attached: Callable[[ThreadId], None]) -> None:
        """`attached` is called when a client has attached to a thread, or left it."""
        self.attached = attached
        self.unread = AllUnread()
        self.large = trio.CapacityLimiter(ALL_LARGE_AT_ONCE_MAX)
