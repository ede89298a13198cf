"""A line of a rollout, of any of its formats, as one shape. Pure.

    2026     {"timestamp","ordinal","type","payload"[,"metadata"]}
    2025     {"timestamp","type","payload"}
    before   a first line {"id","timestamp",…} without `type`, then bare items; `{"record_type":"state"}`
             between them is ignored

What a rollout is: docs/how-to/import-from-codex.md.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from codexd.core.values.foreign_json import decode_foreign

# A longer line is skipped: it would take several times its length in memory. The longest real lines
# have an image of 20 MiB, which is 28 MiB as base64.
LINE_BYTES_MAX = 32 * 1024 * 1024
# How much of the found text a warning quotes.
QUOTED_CHARACTERS_MAX = 80

ITEM_TYPES = frozenset(
    {
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "local_shell_call",
        "web_search_call",
    }
)

Members = dict[str, Any]


class Line(msgspec.Struct, frozen=True, gc=False):
    """A parsed line."""

    number: int  # from 1
    type: str
    payload: Members
    at_us: int | None = None
    ordinal: int | None = None
    metadata: Members = {}


class LineWarning(msgspec.Struct, frozen=True, gc=False):
    """A part of a line that was not imported unchanged."""

    line: int
    message: str  # what was expected, what was found, what was not imported


class UnreadableLine(ValueError):
    """A line does not belong to a rollout; the message says what was expected and what was found."""


def read_line(number: int, text: bytes) -> Line:
    """Read a line without its newline. Raises: UnreadableLine."""
    if len(text) > LINE_BYTES_MAX:
        raise UnreadableLine(f"expected at most {LINE_BYTES_MAX} bytes, found {len(text)}")
    try:
        members = decode_foreign(text)
    except ValueError as error:  # bad JSON, too much of it, or bad UTF-8 within it
        raise UnreadableLine(f"expected a JSON object, found {_quoted(text)} ({error})") from error
    if not isinstance(members, dict):
        raise UnreadableLine(f"expected a JSON object, found {_quoted(text)}")
    at_us = read_time(members.get("timestamp"))
    payload, kind = members.get("payload"), members.get("type")
    if isinstance(kind, str) and isinstance(payload, dict):
        ordinal = members.get("ordinal")
        metadata = members.get("metadata")
        return Line(
            number,
            kind,
            payload,
            at_us,
            ordinal if isinstance(ordinal, int) else None,
            metadata if isinstance(metadata, dict) else {},
        )
    if "record_type" in members:
        return Line(number, "state", members, at_us)
    if text_of(kind) in ITEM_TYPES:
        return Line(number, "response_item", members, at_us)
    if kind is None and isinstance(members.get("id"), str) and "timestamp" in members:
        return Line(number, "session_meta", members, at_us)
    raise UnreadableLine(
        f"expected an object with `type` and `payload`, or an item, found {_quoted(text)}"
    )


def read_time(text: object) -> int | None:
    """Unix time in microseconds of an RFC 3339 time; None for any other value."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    since = at - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    us = since // datetime.timedelta(microseconds=1)
    return us if us >= 0 else None


def text_of(value: object) -> str:
    """The value if it is text, else ""."""
    return value if isinstance(value, str) else ""


def members_of(value: object) -> Members:
    """The value if it is an object, else {}."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """The value if it is a list, else []."""
    return value if isinstance(value, list) else []


def _quoted(text: bytes) -> str:
    start = text[: QUOTED_CHARACTERS_MAX * 4].decode(errors="replace")
    cut = start[:QUOTED_CHARACTERS_MAX]
    return f"{cut!r}{'…' if len(cut) < len(text) else ''}"
