"""What a model has, as far as a request to it depends on that."""

from __future__ import annotations

import msgspec


class Traits(msgspec.Struct, frozen=True):
    """What a model has."""

    parallel_tool_calls: bool = True
    least_effort: str | None = None  # for a request that is worth no thinking
    images: bool = True  # whether it reads any
