"""Cuts a long text in its middle: the start and the end of an output or a message matter most.

The start and the end get half of the space each, with a marker between them that says how much
is missing. Sizes are measured in bytes of UTF-8 and reported in tokens, at four bytes each. A cut is made at the
end of a line if there is one near, and never within a character. Codex cuts by the same rule.
"""

from __future__ import annotations

import codecs

BYTES_PER_TOKEN = 4  # the rule of thumb for English and code
_ROUNDS_MAX = 4  # the marker's own length settles after two; the bound prevents an endless loop


def utf8_bytes(text: str) -> int:
    """The size of a text."""
    return len(text) if text.isascii() else len(text.encode())


def truncate_middle(text: str, bytes_max: int, *, gone_bytes: int = 0) -> tuple[str, int | None]:
    """The text cut to about `bytes_max`, and its tokens before; (text, None) if it fits.

    `gone_bytes` is the size of an earlier cut in the middle; it is counted but has no marker, so the
    text's two halves must each be longer than half of `bytes_max`. The newline after the marker is not
    counted against the limit.
    """
    encoded = text.encode()
    if len(encoded) <= bytes_max and not gone_bytes:
        return text, None
    total_tokens = tokens_of(len(encoded) + gone_bytes)
    guess = 1
    for _ in range(_ROUNDS_MAX):
        keep_bytes = bytes_max - len(_marker(guess))
        if keep_bytes <= 0:
            return _marker(total_tokens).decode(), total_tokens
        left_bytes = keep_bytes // 2
        prefix_end = _prefix_end(encoded, left_bytes)
        suffix_start = max(prefix_end, _suffix_start(encoded, keep_bytes - left_bytes))
        removed = tokens_of(suffix_start - prefix_end + gone_bytes)
        settled = len(_marker(removed)) == len(_marker(guess))
        guess = removed
        if settled:
            break
    cut = encoded[:prefix_end] + _marker(guess) + b"\n" + encoded[suffix_start:]
    return cut.decode(), total_tokens


def tokens_of(size_bytes: int) -> int:
    """An estimate, rounded up."""
    return -(-size_bytes // BYTES_PER_TOKEN)


def _marker(tokens: int) -> bytes:
    return f"…{tokens} tokens truncated…".encode()


def _prefix_end(encoded: bytes, left_bytes: int) -> int:
    """After the last newline in reach, else at a character's end."""
    after_newline = encoded.rfind(b"\n", 0, left_bytes) + 1
    if after_newline:
        return after_newline
    return codecs.utf_8_decode(encoded[:left_bytes], "strict", False)[1]


def _suffix_start(encoded: bytes, right_bytes: int) -> int:
    """After the first newline in reach, else at a character's start."""
    start = max(0, len(encoded) - right_bytes)
    newline = encoded.find(b"\n", start)
    if newline >= 0:
        return newline + 1
    return character_start(encoded, start)


def character_start(encoded: bytes | bytearray, at: int) -> int:
    """The first position from `at` on that is not within a character of UTF-8, which has four bytes at most."""
    end = min(at + 3, len(encoded))
    while at < end and encoded[at] & 0xC0 == 0x80:
        at += 1
    return at
