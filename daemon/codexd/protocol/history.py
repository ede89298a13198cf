"""Methods that change the model's history: compaction, pins, reverts."""

from __future__ import annotations

import msgspec

from codexd.protocol.threads import Thread, ThreadIdParams


class ThreadCompactStartParams(ThreadIdParams, frozen=True):
    """Compact the thread's history in a turn of its own, now or after the turns before it."""

    # codexd only. Without one the daemon answers a request that it cannot take with a warning, and not with an error:
    # a terminal of Codex exits where this is refused.
    idempotency_key: str | None = None


class ThreadCompactStartResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The compaction has begun, or waits for its turn."""

    turn_id: str | msgspec.UnsetType = (
        msgspec.UNSET
    )  # codexd only; absent: a warning says why there is none
    queued: bool | msgspec.UnsetType = msgspec.UNSET  # codexd only: it begins after other turns


class ThreadCompactPreviewParams(ThreadIdParams, frozen=True):
    """Show what a compaction would keep and drop, without calling a model."""


class ThreadPinParams(ThreadIdParams, frozen=True):
    """Pin or unpin a record of the thread, by its number in `thread/log/read`."""

    seq: int


class ThreadPinListParams(ThreadIdParams, frozen=True):
    """List the pinned records."""


class ThreadRevertParams(ThreadIdParams, frozen=True):
    """Revert a thread to the state before one of its turns. No file on the disk is changed."""

    before_turn_id: str  # this turn and all later turns are reverted


class ThreadRevertResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The thread, without its turns, which are listed page by page, backwards from the cursors."""

    thread: Thread
    items_backwards_cursor: str | None = None
    turns_backwards_cursor: str | None = None
    turns: int = 0  # codexd only: how many were reverted


class ThreadRevertUndoParams(ThreadIdParams, frozen=True):
    """Undo the last revert that is in force; later turns stay after the restored turns."""


class ThreadRevertUndoResponse(ThreadRevertResponse, frozen=True):
    """As for the revert; `turns` is how many were brought back."""


class ThreadCompactUndoParams(ThreadIdParams, frozen=True):
    """Restore the model's history as if the last compaction in force had not happened."""
