"""The id of a message that cannot be read as a whole, so that whoever waits for its answer is told.

Law: an id is one only as a member of the message itself, and what is looked at is bounded: a message that is
malformed in front of its id, or has very much there, has none.
"""

from __future__ import annotations

import re

import msgspec

RequestId = int | str

# Some milliseconds of looking. A real request has its id among its first ten tokens; with the params in front of it,
# among some hundred.
TOKENS_MAX = 10_000
# Of an integer: what a real id has twice over.
DIGITS_MAX = 40
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Linear: nothing in it gives back what it took.
_TOKEN = re.compile(rb'[ \t\r\n]*+("(?:[^"\\]++|\\.)*+"|[][{}:,]|[^][{}:," \t\r\n]++)', re.DOTALL)
_INTEGER = re.compile(rb"-?[0-9]{1,%d}" % DIGITS_MAX)


def id_in(body: bytes) -> RequestId | None:
    """The `id` of a JSON object as far as it can be read; the last one, as decoders take it."""
    position = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    depth, key, is_value, found = 0, b"", False, None
    for _ in range(TOKENS_MAX):
        match = _TOKEN.match(body, position)
        if match is None:
            break
        token, position = match[1], match.end()
        if token in (b"{", b"["):
            if not depth and token == b"[":
                break
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        elif depth == 1:
            if token in (b":", b","):
                is_value = token == b":"
            elif not is_value:
                key = token
            elif key == b'"id"':
                found = _read(token)
        if depth < 1:
            break
    return found


def _read(token: bytes) -> RequestId | None:
    if _INTEGER.fullmatch(token):
        return int(token)
    try:
        return msgspec.json.decode(token, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
