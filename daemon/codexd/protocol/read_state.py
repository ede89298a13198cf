"""The params and results of `thread/readState/update`, and what is unread of a thread."""

from __future__ import annotations

import msgspec


class FromStart(msgspec.Struct, frozen=True, tag="threadStart"):
    """A person marked the thread as unread."""


class FromTurn(msgspec.Struct, frozen=True, rename="camel", tag="turn"):
    """The thread is unread from the end of a turn on."""

    turn_id: str


class ThreadReadState(msgspec.Struct, frozen=True, rename="camel"):
    """What is unread of a thread, and the number of this state."""

    first_unread: FromStart | FromTurn | None  # None: all is read
    revision: str


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Mark it as read."""


class Unread(msgspec.Struct, frozen=True, tag="unread"):
    """Mark it as unread."""


class ThreadReadStateUpdateParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Mark a thread as read or as unread."""

    thread_id: str
    operation: Read | Unread
    expected_revision: str  # of the state that the client has seen


class ThreadReadStateUpdateResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The state after it."""

    read_state: ThreadReadState


class ThreadReadStateChangedNotification(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A turn has ended, or a person has marked the thread; sent to every connection."""

    thread_id: str
    read_state: ThreadReadState
