"""Shortening what the model is given of a thread: `thread/compact/start`."""

from __future__ import annotations

import msgspec

from codexd.protocol.threads import Thread, ThreadIdParams


class ThreadCompactStartParams(ThreadIdParams, frozen=True):
    """Compact the thread's history now, in a turn of its own."""


class ThreadCompactStartResponse(msgspec.Struct, frozen=True, rename="camel"):
    """It has begun."""

    turn_id: str  # codexd only


class ThreadCompactPreviewParams(ThreadIdParams, frozen=True):
    """What a compaction would keep and lose, without calling a model."""


class ThreadPinParams(ThreadIdParams, frozen=True):
    """A record of the thread, as `thread/log/read` numbers them."""

    seq: int


class ThreadPinListParams(ThreadIdParams, frozen=True):
    """Which records are pinned."""


class ThreadRevertParams(ThreadIdParams, frozen=True):
    """Have a thread stand as it stood before one of its turns. No file on the disk is changed."""

    before_turn_id: str  # taken back: this one, and all behind it


class ThreadRevertResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The thread, without its turns: those are listed page by page, backwards from the cursors."""

    thread: Thread
    items_backwards_cursor: str | None = None
    turns_backwards_cursor: str | None = None
    turns: int = 0  # codexd only: so many were taken back


class ThreadRevertUndoParams(ThreadIdParams, frozen=True):
    """Bring back what the last revert that stands took away; turns since then stay behind it."""


class ThreadRevertUndoResponse(ThreadRevertResponse, frozen=True):
    """The same as of the revert; `turns` is how many were brought back."""


class ThreadCompactUndoParams(ThreadIdParams, frozen=True):
    """Have the model's history as if the last compaction that counts had not happened."""
