"""What stays in a thread's history for the model: a compaction looked at before, and pins (codexd only)."""

from __future__ import annotations

import msgspec

from codexd.protocol.threads import ThreadIdParams


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
