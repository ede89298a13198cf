"""What is known of a model: the limits of its context window in tokens, and its capabilities."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

# No window of a model is near it, and numbers up to here are exact in every reader of JSON. A larger one cannot be
# encoded again.
TOKENS_MAX: Final = 1 << 53
Tokens = Annotated[int, Meta(le=TOKENS_MAX)]


class Limits(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The limits of a model when a turn starts; None: unknown.

    A turn's limits are in its first record, so that a replay does not depend on a table of models.
    """

    window: Tokens | None = None  # of input, raw
    effective: Tokens | None = None  # the usable part of it: the wire's modelContextWindow
    compact_at: Tokens | None = (
        None  # the number of tokens in context at which the history is compacted
    )


class Traits(msgspec.Struct, frozen=True):
    """The capabilities of a model."""

    reasons: bool = False  # its reasoning is asked for
    sessions: bool = False  # it knows exec_command and write_stdin
    parallel_tool_calls: bool = True
    least_effort: str | None = None  # for a request that needs no reasoning
    freeform_patch: bool = False  # it writes patches as free text, held to a grammar
    images: bool = True  # whether it accepts images
    argv_shell: bool = (
        False  # it gives commands as a program and its arguments, not as a shell line
    )
