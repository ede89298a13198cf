"""Taking turns of a thread back: `thread/revert`, as the original has it."""

from __future__ import annotations

import msgspec

from codexd.protocol.threads import Thread, ThreadIdParams


class ThreadRevertParams(ThreadIdParams, frozen=True):
    """Have a thread stand as it stood before one of its turns. No file on the disk is changed."""

    before_turn_id: str  # taken back: this one, and all behind it


class ThreadRevertResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The thread, without its turns: those are listed page by page, backwards from the cursors."""

    thread: Thread
    items_backwards_cursor: str | None = None
    turns_backwards_cursor: str | None = None
    turns: int = 0  # codexd only: so many were taken back
