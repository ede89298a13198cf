"""Why a thread cannot be used, and how to repair it: for lists, for the daemon's status and for error messages."""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.events.events import InvalidEvent
from codexd.core.values.ids import ThreadId
from codexd_eventstore.store import Damaged

# Of a record that is whole, and that this version cannot read.
MEND_UNKNOWN: Final = "start the codexd that wrote it, or a newer one: it was left as it is"


class Trouble(msgspec.Struct, frozen=True):
    """The reason why a thread cannot be used."""

    reason: str
    mend: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.mend}"


def trouble_of(thread_id: ThreadId, error: Exception) -> Trouble:
    """The trouble of a thread that an error stopped."""
    if isinstance(error, Damaged):
        mend = f"`codexctl fsck {thread_id} --salvage` makes what is left of it readable"
    elif isinstance(error, InvalidEvent):
        mend = MEND_UNKNOWN
    else:
        mend = f"when the disk is well again: codexctl attach {thread_id}"
    return Trouble(str(error), mend)


def unreadable(thread_id: ThreadId, why: str) -> Trouble:
    """The trouble of a log that lists could not read."""
    return Trouble(why, f"`codexctl fsck {thread_id}` says what can be saved")


def stopped_daemons(thread_id: ThreadId, deaths: int) -> Trouble:
    """The daemon has died repeatedly while it resumed the thread."""
    return Trouble(
        f"the daemon stopped {deaths} times in a row while it resumed the thread, so this time it was left alone",
        f"to try again: codexctl attach {thread_id}",
    )
