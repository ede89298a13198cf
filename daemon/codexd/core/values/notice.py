"""What a person should know and need not act on."""

from __future__ import annotations

import msgspec


class Notice(msgspec.Struct, frozen=True, rename="camel"):
    """Something to say."""

    about: str  # the same for the same thing, so that it is not said again
    message: str
