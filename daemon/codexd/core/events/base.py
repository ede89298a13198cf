"""The base of all events."""

from __future__ import annotations

from typing import ClassVar

import msgspec

# The default of members that hold JSON of any shape. Only this very object is left out when an event is encoded.
NOTHING = msgspec.Raw(b"")
# The errors for data of another shape: upcasters expect members that may be missing, or have another type; an unknown
# version is a LookupError, too.
_OF_UPCASTERS = (TypeError, AttributeError, ValueError, LookupError)
UNREADABLE = (msgspec.MsgspecError, RecursionError, *_OF_UPCASTERS)


class Fact(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The base of all events."""

    type: ClassVar[str]
    v: ClassVar[int] = 1
    # Whether it must be on disk before it is published and before any effect starts (law 3).
    barrier: ClassVar[bool] = True
