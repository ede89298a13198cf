"""A notice for a person."""

from __future__ import annotations

import msgspec


class Notice(msgspec.Struct, frozen=True, rename="camel"):
    """A warning that is recorded once in a thread."""

    about: str  # a stable key of its subject, so that it is not repeated
    message: str
