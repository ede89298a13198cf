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


class KeptPreview(msgspec.Struct, frozen=True, rename="camel"):
    """A record of which something would stay."""

    seq: int
    tokens: int  # an estimate, as all counts here
    text: str  # its beginning
    truncated: bool = False  # the middle would be left out
    pinned: bool = False


class HistoryCount(msgspec.Struct, frozen=True, rename="camel"):
    """Items of the model's history by what they are."""

    user_messages: int = 0  # what people said, and what the daemon told in that role
    answers: int = 0
    reasoning: int = 0
    calls: int = 0
    outputs: int = 0
    other: int = 0
    tokens: int = 0


class ThreadCompactPreviewResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What would come of a compaction. What the summary will say and how long it is nobody knows before."""

    context_tokens: int  # now
    compact_at: int | None  # so many, and it happens by itself; null: nobody knows
    history: HistoryCount
    kept: tuple[KeptPreview, ...]
    kept_tokens: int
    lost: HistoryCount  # that the summary alone will tell of
    compactions: int  # so far
    summary_known: bool = False


class ThreadPinParams(ThreadIdParams, frozen=True):
    """A record of the thread, as `thread/log/read` numbers them."""

    seq: int


class ThreadPinListParams(ThreadIdParams, frozen=True):
    """Which records are pinned."""


class PinView(msgspec.Struct, frozen=True, rename="camel"):
    """A pinned record."""

    seq: int
    tokens: int  # an estimate
    text: str  # the beginning of what is kept


class ThreadPinsResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The pins of a thread, in the order of their records."""

    pins: tuple[PinView, ...]


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


class ThreadCompactUndoResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What the model's history comes to without it."""

    context_tokens: int  # an estimate
    compact_at: int | None  # so many, and the next turn compacts again; null: nobody knows
    fits: bool  # whether the next turn goes on with it as it is
    left: bool  # whether an earlier compaction still counts
