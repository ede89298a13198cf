"""What a thread is asked, and what it answers."""

from __future__ import annotations

import msgspec

from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.events.record import Recorded
from codexd.core.state.state import ThreadState


class Asked(msgspec.Struct, frozen=True):
    """A command, who asks, and the key under which a repeat is known."""

    command: Command
    by: str | None = None
    key: str | None = None


class CommandResult(msgspec.Struct, frozen=True):
    """The thread's version once the command's events are on disk."""

    version: int
    repeated: Recorded | None = None  # the key was known: what it led to the first time


def changes_nothing(state: ThreadState, command: Command) -> bool:
    """Whether it is what every frontend sends that comes only to look."""
    if state.settings is None or not isinstance(command, c.ChangeSettings):
        return False
    return command.change.differing(state.settings) is None
