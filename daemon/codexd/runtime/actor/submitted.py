"""A command to a thread, and its result."""

from __future__ import annotations

import msgspec

from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.events.record import Recorded, decode_record
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd_eventstore.reading import record_at
from codexd_eventstore.store import EventStore


class Asked(msgspec.Struct, frozen=True):
    """A command, its sender, and its idempotency key."""

    command: Command
    by: str | None = None
    key: str | None = None


class CommandResult(msgspec.Struct, frozen=True):
    """The thread's version once the command's events are on disk."""

    version: int
    repeated: Recorded | None = None  # the key was known: what it led to the first time


def changes_nothing(state: ThreadState, command: Command) -> bool:
    """Whether it is a settings change without effect, as a frontend sends when it only attaches."""
    if state.settings is None or not isinstance(command, c.ChangeSettings):
        return False
    return command.change.differing(state.settings) is None


async def first_answer(store: EventStore, thread_id: ThreadId, key: str) -> Recorded | None:
    """The first result of a command with this key; None where there was none. Raises: StoreError."""
    span = await store.find_key(thread_id, key)
    if span is None:
        return None
    return decode_record((await record_at(store, thread_id, span[0])).line)
