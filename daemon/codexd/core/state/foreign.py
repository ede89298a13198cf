"""Foreign records in a thread's log: records that were not written here."""

from __future__ import annotations

import msgspec

from codexd.core.values.settings import Settings


class Foreign(msgspec.Struct, frozen=True):
    """The log has foreign records that were not taken in yet.

    `before` is the state before the first of them; None if the log begins with them.
    """

    settings: Settings | None = None
    instructions: str | None = None
    developer_instructions: str | None = None
