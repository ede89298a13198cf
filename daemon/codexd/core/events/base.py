"""What all events have in common."""

from __future__ import annotations

from typing import ClassVar

import msgspec

# What a member that may hold JSON of any shape has where nothing was given: only this very object is left
# out when an event is encoded.
NOTHING = msgspec.Raw(b"")


class Fact(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The base of all events."""

    type: ClassVar[str]
    v: ClassVar[int] = 1
    # Whether the disk must have it before anybody is told or anything is done (law 3).
    barrier: ClassVar[bool] = True
