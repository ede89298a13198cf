"""Bringing back what was taken away, which only codexd does: undos of reverts and of compactions."""

from __future__ import annotations

import msgspec

from codexd.protocol.reverting import ThreadRevertResponse
from codexd.protocol.threads import ThreadIdParams


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
