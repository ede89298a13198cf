"""The error in a provider's answer, of any form; sans-IO.

Error bodies are of many shapes, some are packed, and some are pages of HTML: there is a message in each.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from html import unescape
from typing import Final

import msgspec

from codexd.core.values.foreign_json import decode_foreign, whole_characters

# The important part of a page is at its beginning, and less than this is shown.
PLAIN_BYTES_MAX: Final = 64 * 1024
# A page is written for a browser; its title and a sentence say what it is.
PAGE_CHARACTERS_MAX: Final = 200
# An error within an error within a list: no gateway wraps more often.
WRAPPED_MAX: Final = 5

# Members that hold the error, and those that hold its message, in lower case; the first that is there counts.
_WRAPPERS: Final = ("error", "errors", "base_resp", "fault", "detail", "message")
_MESSAGES: Final = (
    *("message", "detail", "status_msg", "error_message", "error_msg", "error_description"),
    *("error", "errors", "msg", "faultstring", "title", "reason"),
)
# The first bytes of packed bodies whose header does not name the packing.
_PACKED: Final = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))

_TITLE = re.compile(r"<title[^>]{0,200}+>([^<]{1,500}+)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,4000}+>")
_UNSEEN = re.compile(r"<(?:script|style|head)\b", re.IGNORECASE)
_UNSEEN_END = re.compile(r"</(?:script|style|head)\b", re.IGNORECASE)


class ProviderError(msgspec.Struct, frozen=True):
    """An error of a provider. Every member may be missing or of an unexpected shape."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    status: int | None = None  # a code that is a number, or the text of one
    plan_type: str | None = None
    resets_at: float | None = None  # Unix seconds
    resets_in_seconds: float | None = None
    is_page: bool = False  # of HTML: no word of the API


def read_complaint(body: bytes) -> ProviderError:
    """The complaint in an error's body: `{"error": {…}}`, `{"error": "…"}`, `{"detail": "…"}`, a page, or plain text."""
    body = _without_fields(_as_utf8(body))
    found = find_complaint(body)
    if found is not None:
        return found
    if is_page(body):
        return ProviderError(message=page_text(body), is_page=True)
    return ProviderError(message=plain_text(body))


def find_complaint(body: bytes) -> ProviderError | None:
    """The complaint in a JSON text; None where it holds no error with a message or a code."""
    try:
        decoded = decode_foreign(whole_characters(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    named, members = _innermost(decoded)
    message = _message(members)
    if message is None and named:  # A code may be all that a provider says.
        message = _text(members.get("code")) or _text(members.get("type"))
    if message is None:
        return None
    code, status = members.get("code", members.get("error_code")), members.get("status_code")
    if members.get("status_msg") and isinstance(status, int):
        if status == 0:
            return None
        code = f"base_resp {status}"
    text = str(code) if isinstance(code, int) and not isinstance(code, bool) else _text(code)
    kind = _text(members.get("type")) if named else None  # that of an `error` event is the event's
    return ProviderError(
        message=_with_cause(message, members),
        code=text,
        status=int(text) if text and text.isdecimal() and len(text) == 3 else None,
        type=kind or _text(members.get("status")) or _exception(members),
        plan_type=_text(members.get("plan_type")),
        resets_at=finite_number(members.get("resets_at")),
        resets_in_seconds=finite_number(members.get("resets_in_seconds")),
    )


def _innermost(value: object) -> tuple[bool, Mapping[str, object]]:
    """The object that holds the message, and whether a member named it as the error."""
    named = False
    members: Mapping[str, object] = {}
    for _ in range(WRAPPED_MAX):
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str):
            return named, {**members, "message": value} if value else members
        if not isinstance(value, dict):
            break
        members = {str(name).lower(): member for name, member in value.items()}
        inner = members.get("error")
        if not isinstance(inner, dict):
            if (message := _message(members)) is not None:
                inner = _json_object(message)
            else:
                wrapped = (members.get(name) for name in _WRAPPERS)
                inner = next((v for v in wrapped if isinstance(v, dict | list)), None)
        if not inner:
            break
        value, named = inner, True
    return named, members


def _message(members: Mapping[str, object]) -> str | None:
    return next((text for name in _MESSAGES if (text := _text(members.get(name)))), None)


def _json_object(text: str) -> object:
    """The object that a message holds as JSON: a gateway's message may be the whole body that it was sent."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return decode_foreign(whole_characters(text.encode(errors="replace")))
    except msgspec.DecodeError:
        return None


def _exception(members: Mapping[str, object]) -> str | None:
    """The name of the exception that a service of AWS gives, such as `com.amazon#ThrottlingException`."""
    name = _text(members.get("__type"))
    return name.rpartition("#")[2] if name is not None else None


def _with_cause(message: str, members: Mapping[str, object]) -> str:
    """A gateway's message with that of its provider, which alone says what is wrong."""
    metadata = members.get("metadata")
    cause = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(cause, str) or not cause:
        return message
    return f"{message}: {_message(_innermost(_json_object(cause))[1]) or cause}"


def unpacked(body: bytes, encoding: str) -> bytes:
    """The beginning of a body that is compressed, or a sentence that says how it is packed."""
    found = next((name for mark, name in _PACKED if body.startswith(mark)), None)
    for name in reversed([name.strip().lower() for name in (encoding or found or "").split(",")]):
        if name in ("", "identity") or body.lstrip()[:1] in (b"{", b"<"):
            continue  # Some proxies unpack a body, and leave its header.
        if (plain := _inflated(body) if name in ("gzip", "x-gzip", "deflate") else None) is None:
            return f"the reason is packed ({name[:40]}) and cannot be read".encode()
        body = plain
    return body


def _inflated(body: bytes) -> bytes | None:
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # with a head of either kind, or none
        try:
            return zlib.decompressobj(window).decompress(body, PLAIN_BYTES_MAX)
        except zlib.error:
            continue
    return None


def _as_utf8(body: bytes) -> bytes:
    """A body without its byte order mark, and that of UTF-16 in UTF-8."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body[:PLAIN_BYTES_MAX].decode("utf-16", "replace").encode(errors="replace")
    return body.removeprefix(b"\xef\xbb\xbf")


def _without_fields(body: bytes) -> bytes:
    """The data of a body that is an event of a stream."""
    if not body.lstrip().startswith((b"data:", b"event:")):
        return body
    fields = (line.partition(b":") for line in body[:PLAIN_BYTES_MAX].split(b"\n"))
    return b"\n".join(value.strip() for name, _, value in fields if name.strip() == b"data")


def is_page(body: bytes) -> bool:
    """Whether a body is HTML, or begins like it."""
    return body[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def is_whole_response(beginning: bytes) -> bool:
    """Whether a success that is no event stream is a response all the same, of a server that does not stream."""
    is_json = beginning.lstrip().startswith(b"{") and find_complaint(beginning) is None
    return is_json and b'"output"' in beginning


def page_text(body: bytes) -> str:
    """The text of an HTML page: its title, else the beginning of its text."""
    page = plain_text(body)
    title = _TITLE.search(page)
    text = title[1] if title is not None else _TAG.sub(" ", _seen(page))
    text = " ".join(unescape(text).split())
    return text if len(text) <= PAGE_CHARACTERS_MAX else f"{text[:PAGE_CHARACTERS_MAX]}…"


def _seen(page: str) -> str:
    """A page without its scripts and styles."""
    seen: list[str] = []
    at = 0
    while (begin := _UNSEEN.search(page, at)) is not None:
        seen.append(page[at : begin.start()])
        if (end := _UNSEEN_END.search(page, begin.end())) is None:
            return " ".join(seen)
        at = end.start()
    return " ".join([*seen, page[at:]])


def plain_text(body: bytes) -> str:
    """The beginning of a body as one line of text."""
    return " ".join(body[:PLAIN_BYTES_MAX].decode("utf-8", "replace").split())


def _text(value: object) -> str | None:
    """A text, or the texts of a list."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = "; ".join(value)
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
