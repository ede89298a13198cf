"""The capabilities of a model that its requests depend on."""

from __future__ import annotations

import msgspec


class Traits(msgspec.Struct, frozen=True):
    """The capabilities of a model."""

    parallel_tool_calls: bool = True
    least_effort: str | None = None  # for a request that needs no reasoning
    images: bool = True  # whether it accepts images
