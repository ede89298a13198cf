"""Decodes foreign JSON to plain objects, after checking its size. Pure.

A value of JSON takes two characters, and as an object some hundred bytes: 30 MB of `[],[],` became 1.4 GB. So the
values of a long text are counted first, in a pass that makes no objects. JSON that is decoded to a struct does not need
this, since unknown members are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from json import loads
from typing import Any, Final, TypeVar

import msgspec

# Values of one text: the longest real line, a whole compacted history, has some ten thousand. As objects
# this many take some 30 MB, and 60 MB at worst; decoding is one call of the library, which blocks the whole
# process for up to 30 ms.
VALUES_MAX: Final = 200_000
# A shorter text is decoded without counting: it takes 10 MB at most.
UNCOUNTED_BYTES_MAX: Final = 128 * 1024

# How much is counted in one call of the library, which blocks the whole process.
WINDOW_BYTES: Final = 64 * 1024

# Linear: a string is matched as a whole or to the end of the text, and no character is scanned twice.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BACKSLASHES: Final = re.compile(rb"\\*+")
# Appended to a window: within a string it ends the string; outside, it begins a string that hides the rest. No valid
# JSON has this character outside a string, and every decoder stops there.
_PROBE: Final = b'"\x01'
# A pair of escapes that are one character, half of such a pair, or any other escape.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
_HALF_BYTES: Final = 6
# Each misfit costs a decode of the whole text. No provider has more kinds of them in an item.
MISFITS_MAX: Final = 16
_MISFIT: Final = re.compile(r" - at `\$([^`]{1,1000})`\Z")
_STEP: Final = re.compile(r"\.([A-Za-z0-9_-]{1,100}+)|\[([0-9]{1,9})\]")

T = TypeVar("T")

_SEPARATORS: Final = (b",", b"[", b"{")

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class TooMuchJson(msgspec.DecodeError):
    """The JSON has more values, or is nested deeper, than any real input."""


def decode_foreign(content: bytes | str) -> Any:
    """Decode JSON of any shape. Raises: msgspec.DecodeError, UnicodeDecodeError."""
    check_foreign(content)
    try:
        return _decode(content)
    except RecursionError as error:
        raise TooMuchJson("it is nested without end") from error


def whole_characters(json: bytes) -> bytes:
    """JSON in which each half of a surrogate pair is U+FFFD: no decoder takes a half.

    JavaScript cuts texts by UTF-16, so that a pair may be cut, and may come in two texts.
    """
    if b"\\ud" not in json and b"\\uD" not in json:
        return json
    return _ESCAPE.sub(lambda e: rb"\ufffd" if len(e[0]) == _HALF_BYTES else e[0], json)


def sound_json(json: bytes) -> bytes:
    """JSON that every decoder takes.

    Halves of characters are U+FFFD in it, control characters in texts are escaped, and NaN is null.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: it is no JSON, or has too many values.
    """
    json = whole_characters(json)
    try:
        decode_foreign(json)
    except TooMuchJson:
        raise
    except msgspec.DecodeError:
        with suppress(ValueError, RecursionError):
            return _encode(loads(json, strict=False, parse_constant=lambda _: None))
        raise
    return json


def decode_without_misfits(
    json: bytes, decode: Callable[[bytes], T], needed: AbstractSet[str] = frozenset()
) -> T:
    """Decode JSON without the members whose type is another than the decoder expects.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: it is no JSON, or a misfit is a member that is needed.
    """
    value = decode_foreign(json)
    for _ in range(MISFITS_MAX):
        try:
            return decode(_encode(value))
        except msgspec.ValidationError as error:
            if not _drop_misfit(value, str(error), needed):
                raise
    raise TooMuchJson(f"it has more than {MISFITS_MAX} members of unexpected types")


def _drop_misfit(value: Any, problem: str, needed: AbstractSet[str]) -> bool:
    """Drop the member that a decoder complains of; False if it is needed, or the text as a whole is meant."""
    found = _MISFIT.search(problem)
    steps = [name or int(at) for name, at in _STEP.findall(found[1])] if found is not None else []
    names = [step for step in steps if isinstance(step, str)]
    if not steps or (names and names[-1] in needed):
        return False
    for step in steps[:-1]:
        value = value[step]
    del value[steps[-1]]
    return True


def check_foreign(content: bytes | str) -> None:
    """Check that the JSON may be decoded to plain objects. Raises: TooMuchJson."""
    if len(content) <= UNCOUNTED_BYTES_MAX:
        return
    encoded = content.encode(errors="replace") if isinstance(content, str) else content
    # Most long texts are long strings, with few of these characters even within them.
    if _separators(encoded) > VALUES_MAX and _has_too_many(encoded):
        raise TooMuchJson(f"it has more than {VALUES_MAX} values")


def _has_too_many(text: bytes) -> bool:
    """Whether there are too many values outside of strings: counted in windows, each of which ends outside a string."""
    values, at = 1, 0
    while at < len(text) and values <= VALUES_MAX:
        end = min(at + WINDOW_BYTES, len(text))
        if text[end - 1 : end] == b"\\":  # The next letter belongs to the escape.
            run = _BACKSLASHES.match(text, end)
            end = min((run.end() if run is not None else end) + 1, len(text))
        bare = _STRING.sub(b"", text[at:end] + _PROBE)
        values += _separators(bare) - 1
        rest = _REST.match(text, end) if bare.endswith(_PROBE[1:]) else None
        at = rest.end() if rest is not None else end
    return values > VALUES_MAX


def _separators(text: bytes) -> int:
    """An upper bound of the number of values."""
    return 1 + sum(map(text.count, _SEPARATORS))
