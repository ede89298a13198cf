"""Names of things: every one a UUIDv7 in its usual spelling, each kind a type of its own."""

from __future__ import annotations

import re
from typing import NewType

ThreadId = NewType("ThreadId", str)
TurnId = NewType("TurnId", str)
ItemId = NewType("ItemId", str)  # an item of a turn; the provider's id where it gave one
CallId = NewType("CallId", str)  # a tool call; our own, since models use theirs again
ProcessId = NewType("ProcessId", str)  # what a tool call left running after its answer
ModelCallId = NewType("ModelCallId", str)  # one logical request to the model, over its attempts
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
    """Read a thread id as a client wrote it. Raises: InvalidId."""
    lowered = text.lower()
    if not _UUID.fullmatch(lowered):
        raise InvalidId(
            f"invalid thread id: expected a UUID such as "
            f"01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60, found {text[:80]!r}"
        )
    return ThreadId(lowered)


def is_thread_id(text: str) -> bool:
    """Whether a stream of that name is a thread's, and none of the daemon's own."""
    return _UUID.fullmatch(text) is not None
