"""How large a request to a model is, and by how much the next one is shorter."""

from __future__ import annotations

import msgspec


class Shorter(msgspec.Struct, frozen=True):
    """A shorter request for a summary."""

    left_out: int  # how many of the oldest items are left out
    items: int  # the same with paired items: a call is left out with its answer


class RequestSize(msgspec.Struct, frozen=True):
    """The parts of a request, in estimated tokens."""

    instructions: int
    tools: int
    items: int
