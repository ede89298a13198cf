"""How much of a conversation a model can be given, in tokens."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """What is known of a model's window when a turn starts; None: nothing is known.

    A turn's limits stand in its first record, so that a replay does not depend on a table of models.
    """

    window: int | None = None  # of input, raw
    effective: int | None = (
        None  # what a conversation may fill of it: the wire's modelContextWindow
    )
    compact_at: int | None = None  # so many tokens in context, and the history is compacted
