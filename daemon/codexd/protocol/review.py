"""Having work reviewed: `review/start`."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.review_targets import ReviewTarget
from codexd.protocol.turns import Turn


class ReviewStartParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Have a reviewer look at something, where the thread works."""

    thread_id: str
    target: ReviewTarget
    delivery: Literal["inline"] | None = None  # the findings are told in the thread itself


class ReviewStartResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The turn that is the review; the thread is the one that was named."""

    turn: Turn
    review_thread_id: str
