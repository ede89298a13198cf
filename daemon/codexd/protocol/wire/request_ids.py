"""Finds the id of a message that cannot be decoded, so that its sender receives an error.

Law: only a member `id` of the message itself counts, and the search is bounded: a message that is
malformed before its id, or has too many tokens before it, has none.
"""

from __future__ import annotations

import re

import msgspec

RequestId = int | str

# Some milliseconds of search. A real request has its id among its first ten tokens, or among some hundred if the params
# come first.
TOKENS_MAX = 10_000
# Digits of an integer: twice those of a real id.
DIGITS_MAX = 40
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Linear: all repeats are possessive.
_TOKEN = re.compile(rb'[ \t\r\n]*+("(?:[^"\\]++|\\.)*+"|[][{}:,]|[^][{}:," \t\r\n]++)', re.DOTALL)
_INTEGER = re.compile(rb"-?[0-9]{1,%d}" % DIGITS_MAX)


def id_in(body: bytes) -> RequestId | None:
    """The `id` in the readable part of a JSON object; the last counts, as in decoders."""
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
