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
# objects so many take some 70 MB, and 150 MB at worst.
VALUES_MAX: Final = 500_000
# A text so short is decoded as it is: whatever it holds, it takes 10 MB at most.
UNCOUNTED_BYTES_MAX: Final = 128 * 1024

# Linear: a string is taken whole or to the end of the text, and no character is looked at twice.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
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
    if _separators(encoded) > VALUES_MAX and _separators(_STRING.sub(b"", encoded)) > VALUES_MAX:
        raise TooMuchJson(f"it has more than {VALUES_MAX} values")


def _separators(text: bytes) -> int:
    """No fewer than the values that it holds."""
    return 1 + sum(map(text.count, _SEPARATORS))
