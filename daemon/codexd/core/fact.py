"""What all events have in common."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Fact(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The base of all events."""

    type: ClassVar[str]
    v: ClassVar[int] = 1
    # Whether the disk must have it before anybody is told or anything is done (law 3).
    barrier: ClassVar[bool] = True
