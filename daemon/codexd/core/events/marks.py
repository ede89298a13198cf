"""Events about a thread as its people see it."""

from __future__ import annotations

from codexd.core.events.base import Fact


class ReadStateSet(Fact, frozen=True):
    """A person marked the thread as read, or as unread."""

    type = "thread.read_state_set"
    unread: bool
