"""Shortening what the model is given of a thread: `thread/compact/start`."""

from __future__ import annotations

import msgspec

from codexd.protocol.threads import ThreadIdParams


class ThreadCompactStartParams(ThreadIdParams, frozen=True):
    """Compact the thread's history now, in a turn of its own."""


class ThreadCompactStartResponse(msgspec.Struct, frozen=True, rename="camel"):
    """It has begun."""

    turn_id: str  # codexd only
