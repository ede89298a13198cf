"""Ids: UUIDv7 in the usual spelling, with a type for each kind."""

from __future__ import annotations

import re
from typing import NewType

ThreadId = NewType("ThreadId", str)
TurnId = NewType("TurnId", str)
ItemId = NewType("ItemId", str)  # an item of a turn; the provider's id if there is one
CallId = NewType("CallId", str)  # a tool call; our own id, since models reuse theirs
ProcessId = NewType("ProcessId", str)  # what a tool call left running after its answer
ModelCallId = NewType("ModelCallId", str)  # a logical request to the model, with all its attempts
ApprovalId = NewType("ApprovalId", str)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


class InvalidId(ValueError):
    """A text is no id."""


def uuid7(at_ms: int, random_bits: int) -> str:
    """A UUID of version 7 (RFC 9562, section 5.7) from a Unix time and 74 random bits."""
    value = (at_ms & (1 << 48) - 1) << 80 | 7 << 76
    value |= (random_bits >> 62 & 0xFFF) << 64 | 2 << 62 | random_bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_thread_id(text: str) -> ThreadId:
    """Parse a thread id from a client. Raises: InvalidId."""
    lowered = text.lower()
    if not _UUID.fullmatch(lowered):
        raise InvalidId(
            f"invalid thread id: expected a UUID such as "
            f"01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60, found {text[:80]!r}"
        )
    return ThreadId(lowered)


def is_thread_id(text: str) -> bool:
    """Whether a stream of that name is a thread, and not a stream of the daemon."""
    return _UUID.fullmatch(text) is not None
