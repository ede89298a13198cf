"""What is known of a log with records of strangers."""

from __future__ import annotations

import msgspec

from codexd.core.values.settings import Settings


class Foreign(msgspec.Struct, frozen=True):
    """The log has foreign records that were not taken in yet.

    `before` is the state before the first foreign record; None if the log begins with it.
    """

    settings: Settings | None = None
    instructions: str | None = None
    developer_instructions: str | None = None
