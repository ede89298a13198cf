"""That records stand in a thread's log which were not written here."""

from __future__ import annotations

import msgspec

from codexd.core.values.settings import Settings


class Foreign(msgspec.Struct, frozen=True):
    """Records that were not written here stand in the log, and were not taken in yet.

    What the thread was in front of the first of them; None where it begins with them.
    """

    settings: Settings | None = None
    instructions: str | None = None
    developer_instructions: str | None = None
