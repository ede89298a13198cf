"""JSON that somebody else wrote, as plain objects: bounded before it is decoded. Pure.

A value of JSON takes two characters, and as an object some hundred bytes: 30 MB of `[],[],` became 1.4 GB. So what is
long is counted first: a pass over the bytes that makes no objects. What has a type of its own in the code needs none
of this, since members that nobody reads are passed over.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

# Values of one text: those of the longest honest line, a whole history that was compacted, are some ten thousand. As
# objects so many take some 30 MB, and 60 MB at worst; to make them is one call of the library, which holds the whole
# process for up to 30 ms.
VALUES_MAX: Final = 200_000
# A text so short is decoded as it is: whatever it holds, it takes 10 MB at most.
UNCOUNTED_BYTES_MAX: Final = 128 * 1024

# What is counted in one call of the library: such a call holds the whole process.
WINDOW_BYTES: Final = 64 * 1024

# Linear: a string is taken whole or to the end of the text, and no character is looked at twice.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BACKSLASHES: Final = re.compile(rb"\\*+")
# Put behind a window: within a string it ends the string, outside it begins one, which hides the rest of it. No JSON
# has the character outside a string, and no decoder goes past it there.
_PROBE: Final = b'"\x01'
_SEPARATORS: Final = (b",", b"[", b"{")

_decode = msgspec.json.Decoder().decode


class TooMuchJson(msgspec.DecodeError):
    """It holds more values, or is nested deeper, than anything honest."""


def decode_foreign(content: bytes | str) -> Any:
    """The JSON of a text, of whatever shape. Raises: msgspec.DecodeError, UnicodeDecodeError."""
    check_foreign(content)
    try:
        return _decode(content)
    except RecursionError as error:
        raise TooMuchJson("it is nested without end") from error


def check_foreign(content: bytes | str) -> None:
    """Whether the JSON may be decoded to plain objects. Raises: TooMuchJson."""
    if len(content) <= UNCOUNTED_BYTES_MAX:
        return
    encoded = content.encode(errors="replace") if isinstance(content, str) else content
    # Most long texts are long strings, with few of these characters even within them.
    if _separators(encoded) > VALUES_MAX and _has_too_many(encoded):
        raise TooMuchJson(f"it has more than {VALUES_MAX} values")


def _has_too_many(text: bytes) -> bool:
    """Whether there are too many values outside its strings: counted in windows, each of which ends outside a string."""
    values, at = 1, 0
    while at < len(text) and values <= VALUES_MAX:
        end = min(at + WINDOW_BYTES, len(text))
        if text[end - 1 : end] == b"\\":  # The letter behind it belongs to it.
            run = _BACKSLASHES.match(text, end)
            end = min((run.end() if run is not None else end) + 1, len(text))
        bare = _STRING.sub(b"", text[at:end] + _PROBE)
        values += _separators(bare) - 1
        rest = _REST.match(text, end) if bare.endswith(_PROBE[1:]) else None
        at = rest.end() if rest is not None else end
    return values > VALUES_MAX


def _separators(text: bytes) -> int:
    """No fewer than the values that it holds."""
    return 1 + sum(map(text.count, _SEPARATORS))
