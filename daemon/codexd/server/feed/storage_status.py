"""The notifications to a thread's followers when its disk takes no more writes, and when it does again.

They are not in the log, since the log cannot be written. So each follower gets them at once, live or
lagging, and so does a follower that comes while the state lasts.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.items import TurnError
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol.notifications import (
    ErrorNotification,
    ThreadClosedNotification,
    ThreadStatusChangedNotification,
    WarningNotification,
)
from codexd.protocol.threads import InError, ThreadStatus

Kind = Literal["waits", "stopped"]

WAITS = (
    "The disk is full: the thread waits, and continues as soon as there is space.  "
    "Nothing that was shown is lost."
)
WAITS_FOR_OTHERS = (
    "The log cannot be written now: the thread waits, and continues as soon as it can be.  "
    "Nothing that was shown is lost."
)
STOPPED = (
    "The thread has stopped, since its log can no longer be written. It can still be read; "
    "resume it when the disk is well again."
)
OVER = "The thread's log can be written again: the thread continues."


class StorageStatus(msgspec.Struct, frozen=True):
    """The problem of a thread's disk."""

    kind: Kind
    reason: str
    is_full: bool = True


def notifications(
    trouble: StorageStatus | None, thread_id: ThreadId, turn_id: TurnId, status: ThreadStatus
) -> list[Outgoing]:
    """The notifications of a storage status; None: the trouble is over. `status` is the thread's, if known."""
    if trouble is None:
        return [
            _status(thread_id, status),
            Outgoing("warning", WarningNotification(OVER, thread_id)),
        ]
    waits = WAITS if trouble.is_full else WAITS_FOR_OTHERS
    text = waits if trouble.kind == "waits" else STOPPED
    error = TurnError(text, additional_details=trouble.reason)
    said = Outgoing("error", ErrorNotification(error, trouble.kind == "waits", thread_id, turn_id))
    if trouble.kind == "waits":
        return [said]
    # It is loaded no more, and no end of the turn follows: that is still to come, when it is resumed.
    closed = Outgoing("thread/closed", ThreadClosedNotification(thread_id=thread_id), to_all=True)
    return [_status(thread_id, InError()), said, closed]


def _status(thread_id: ThreadId, status: ThreadStatus) -> Outgoing:
    params = ThreadStatusChangedNotification(thread_id=thread_id, status=status)
    return Outgoing("thread/status/changed", params, to_all=True)
