"""What a provider says is wrong, read from whatever it said it in; sans-IO.

Error bodies are of many shapes, and some are pages of HTML: whatever it is, there is a message in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from codexd.core.values.foreign_json import decode_foreign

# What matters of a page stands at its beginning, and less than this of it is shown.
PLAIN_BYTES_MAX: Final = 64 * 1024


class ProviderError(msgspec.Struct, frozen=True):
    """What a provider says is wrong. Every member may be missing or of an unexpected shape."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    status: int | None = None  # a code that is a number
    plan_type: str | None = None
    resets_at: float | None = None  # Unix seconds
    resets_in_seconds: float | None = None


def read_complaint(body: bytes) -> ProviderError:
    """The complaint in an error's body: `{"error": {…}}`, `{"error": "…"}`, `{"detail": "…"}`, or plain text."""
    try:
        decoded = decode_foreign(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ProviderError(message=plain_text(body))
    if not isinstance(decoded, dict):
        return ProviderError(message=plain_text(body))
    error = decoded.get("error")
    if isinstance(error, str):
        return ProviderError(message=error)
    members = error if isinstance(error, dict) else decoded
    message = members.get("message") or members.get("detail")
    code = members.get("code")
    return ProviderError(
        message=_with_cause(message, members) if isinstance(message, str) else plain_text(body),
        code=_text(code),
        status=code if isinstance(code, int) and not isinstance(code, bool) else None,
        # The type of an `error` event is the event's.
        type=None if members is decoded else _text(members.get("type")),
        plan_type=_text(members.get("plan_type")),
        resets_at=finite_number(members.get("resets_at")),
        resets_in_seconds=finite_number(members.get("resets_in_seconds")),
    )


def _with_cause(message: str, members: Mapping[str, object]) -> str:
    """A gateway's message with that of the provider behind it, which alone says what is wrong."""
    metadata = members.get("metadata")
    cause = metadata.get("raw") if isinstance(metadata, dict) else None
    return f"{message}: {cause}" if isinstance(cause, str) and cause else message


def plain_text(body: bytes) -> str:
    """The beginning of a body as one line of text."""
    return " ".join(body[:PLAIN_BYTES_MAX].decode("utf-8", "replace").split())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def finite_number(value: object) -> float | None:
    """A finite number, or a text that holds one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e15 else None
