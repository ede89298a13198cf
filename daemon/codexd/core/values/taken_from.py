"""Where the records of a thread came from that were not written here."""

from __future__ import annotations

from typing import Literal

import msgspec


class TakenFrom(msgspec.Struct, frozen=True):
    """The origin of imported records."""

    origin: Literal["package", "rollout", "log"]
    path: str | None = None  # the file, as the client named it
