"""A line of a rollout, of any of its formats, as one shape. Pure.

    2026     {"timestamp","ordinal","type","payload"[,"metadata"]}
    2025     {"timestamp","type","payload"}
    before   a first line {"id","timestamp",…} without `type`, then bare items; `{"record_type":"state"}`
             between them is ignored

A crash or another program may have damaged a line: zero bytes, bytes that are not UTF-8, half of a surrogate
pair. Such a line is read with these replaced. About rollouts: docs/how-to/import-from-codex.md.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from codexd.core.values.foreign_json import TooMuchJson, decode_foreign, whole_characters

# A longer line is skipped: it would take several times its length in memory. The longest real lines
# have an image of 20 MiB, which is 28 MiB as base64.
LINE_BYTES_MAX = 32 * 1024 * 1024
# How much of the found text a warning quotes.
QUOTED_CHARACTERS_MAX = 80

# The types of bare items.
ITEM_TYPES = frozenset(
    {
        "message",
        "agent_message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "local_shell_call",
        "web_search_call",
        "image_generation_call",
        "tool_search_call",
        "tool_search_output",
        "ghost_snapshot",
        "compaction",
        "context_compaction",
    }
)
# The members by which a first line without a type is known as a heading.
_HEADING = frozenset({"id", "timestamp", "cwd", "instructions", "originator", "git"})
# A greater number is no time in seconds: it would be in the year 5138.
_MILLISECONDS_FROM = 100_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_BOM = b"\xef\xbb\xbf"

Members = dict[str, Any]


class Line(msgspec.Struct, frozen=True, gc=False):
    """A parsed line."""

    number: int  # from 1
    type: str
    payload: Members
    at_us: int | None = None
    ordinal: int | None = None
    metadata: Members = {}
    mended: str | None = None  # the damage that the line was read without


class LineWarning(msgspec.Struct, frozen=True, gc=False):
    """A part of a line that was not imported unchanged."""

    line: int
    message: str  # what was expected, what was found, what was not imported
    kind: str | None = None  # warnings of a file with the same kind are reported once
    times: int = 1  # so many lines have this warning, and `line` is the first

    @property
    def text(self) -> str:
        """The message, with the number of lines."""
        return self.message if self.times == 1 else f"{self.message}, {self.times} times"


class UnreadableLine(ValueError):
    """A line does not belong to a rollout; the message says what was expected and what was found."""


def read_line(number: int, text: bytes) -> Line:
    """Read a line without its newline. Raises: UnreadableLine."""
    if len(text) > LINE_BYTES_MAX:
        raise UnreadableLine(f"expected at most {LINE_BYTES_MAX} bytes, found {len(text)}")
    try:
        members, mended = _decoded(text)
    except ValueError as error:
        raise UnreadableLine(f"expected a JSON object, found {_quoted(text)} ({error})") from error
    if not isinstance(members, dict):
        raise UnreadableLine(f"expected a JSON object, found {_quoted(text)}")
    kind, payload = _kind(number, members), members.get("payload")
    if kind is None:
        raise UnreadableLine(
            f"expected an object with `type` and `payload`, or an item, found {_quoted(text)}"
        )
    if not isinstance(payload, dict):
        return Line(number, kind, members, read_time(members.get("timestamp")), mended=mended)
    ordinal, metadata = members.get("ordinal"), members.get("metadata")
    return Line(
        number,
        kind,
        payload,
        read_time(members.get("timestamp")),
        ordinal if isinstance(ordinal, int) else None,
        metadata if isinstance(metadata, dict) else {},
        mended,
    )


def line_of(number: int, text: bytes) -> Line | None:
    """The line; None if it does not belong to a rollout."""
    try:
        return read_line(number, text)
    except UnreadableLine:
        return None


def _decoded(text: bytes) -> tuple[Any, str | None]:
    """The JSON, and the damage that it was read without. Raises: ValueError."""
    try:
        return decode_foreign(text), None
    except TooMuchJson:
        raise
    except ValueError:  # bad JSON, or bad UTF-8 within it
        undamaged = text.replace(b"\0", b"").removeprefix(_BOM)
        readable = undamaged.decode(errors="replace").encode()
        members = decode_foreign(whole_characters(readable))
    damage = [
        words
        for words, found in (
            (f"{text.count(0)} zero bytes", b"\0" in text),
            ("bytes that are not UTF-8", readable != undamaged),
        )
        if found
    ]
    return members, " and ".join(damage) or None


def _kind(number: int, members: Members) -> str | None:
    """The type of a line; None if it cannot be known."""
    kind = members.get("type")
    if isinstance(members.get("payload"), dict):
        if isinstance(kind, str):
            return kind
        return "session_meta" if number == 1 else None
    if "record_type" in members:
        return "state"
    if text_of(kind) in ITEM_TYPES:
        return "response_item"
    if kind is None and isinstance(members.get("id"), str) and "timestamp" in members:
        return "session_meta"
    return "session_meta" if number == 1 and kind is None and _HEADING & members.keys() else None


def read_time(text: object) -> int | None:
    """Unix time in microseconds of an RFC 3339 time, or of a number of seconds or milliseconds; else None."""
    if not isinstance(text, str):
        return _time_of_number(text)
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    since = at - _EPOCH
    us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return us if us >= 0 else None


def _time_of_number(number: object) -> int | None:
    if not isinstance(number, int | float) or isinstance(number, bool):
        return None
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
    return int(seconds * 1_000_000) if 0 < seconds < _MILLISECONDS_FROM else None


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
