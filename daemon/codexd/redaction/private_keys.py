"""Private keys in PEM: the lines between BEGIN and END, also if an output has only a part of them.

Law: linear time for any text: each line is checked once for each of the two marks around it. Only lines of
base64 are replaced: marks, headers and text that a shell would run stay unchanged.
"""

from __future__ import annotations

import re
from typing import Final

from codexd.redaction.windows import matches_in

# The longest key in use has 13 KB as text; a longer block is no key.
KEY_BYTES_MAX: Final = 16 * 1024

# A shorter line may be any text.
LINE_BYTES_MIN: Final = 16

_MARK: Final = re.compile(
    rb"-----(?P<side>BEGIN|END) (?:(?!PRIVATE)[A-Z0-9]{1,16} ){0,3}+PRIVATE KEY(?: BLOCK)?-----"
)
_MARK_BYTES_MAX: Final = 128
# Line ends as they are, and escaped in JSON at any depth.
_BREAK: Final = re.compile(rb"[\r\n]|\\{1,8}+[nr]")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{16,1024}+={0,2}+")
# The end or the checksum of a key: with a sign that a program's name does not have at that position.
_SHORT_END: Final = re.compile(rb"[A-Za-z0-9+/]{1,75}+={1,2}+|=[A-Za-z0-9+/]{4}")
_HEADER: Final = re.compile(rb"[A-Za-z-]{3,24}+:")
# Almost every line of a key has three kinds of letters; few paths do.
_MIXED: Final = tuple(
    frozenset(letters)
    for letters in (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz", b"0123456789+")
)


def private_keys(text: bytes) -> list[tuple[int, int]]:
    """The start and end of each key, from its first line of base64 to its last."""
    found: list[tuple[int, int]] = []
    marks = list(matches_in(_MARK, text, reach=_MARK_BYTES_MAX))
    for nth, mark in enumerate(marks):
        before = marks[nth - 1].end() if nth else 0
        after = marks[nth + 1].start() if nth + 1 < len(marks) else len(text)
        if mark["side"] == b"BEGIN":
            span = _first_lines(text, mark.end(), min(after, mark.end() + KEY_BYTES_MAX))
        else:
            span = _last_lines(text, max(before, mark.start() - KEY_BYTES_MAX), mark.start())
        if span is not None and (not found or found[-1][1] <= span[0]):
            found.append(span)
    return found


def _first_lines(text: bytes, begin: int, end: int) -> tuple[int, int] | None:
    """The lines of a key that begins here, without its headers."""
    if end - begin < LINE_BYTES_MIN:
        return None
    first = last = None
    for start, stop in _lines(text, begin, end):
        line = text[start:stop]
        if _is_of_a_key(line):
            first = start if first is None else first
            last = stop
        elif first is None and (not line or _HEADER.match(line)):
            continue
        elif first is not None and _SHORT_END.fullmatch(line):
            last = stop
        elif line:
            break
    return None if first is None or last is None else (first, last)


def _last_lines(text: bytes, begin: int, end: int) -> tuple[int, int] | None:
    """The lines of a key that ends here."""
    if end - begin < LINE_BYTES_MIN:
        return None
    first = last = None
    for start, stop in reversed(_lines(text, begin, end)):
        line = text[start:stop]
        if _is_of_a_key(line) or (_SHORT_END.fullmatch(line) and _may_end(first, start, last)):
            first, last = start, stop if last is None else last
        elif line:
            break
    if first is None or last is None:
        return None
    found = _BREAK.search(text, first, last)
    return (first, last) if _is_of_a_key(text[first : found.start() if found else last]) else None


def _may_end(first: int | None, start: int, last: int | None) -> bool:
    """Whether a short line is allowed here: the last line, or a line with a checksum below it."""
    return last is None or (first is not None and last - start <= 2 * 80)


def _lines(text: bytes, begin: int, end: int) -> list[tuple[int, int]]:
    """The start and end of each line, without the blanks around it."""
    lines = []
    at = begin
    while at <= end:
        found = _BREAK.search(text, at, end)
        stop = found.start() if found else end
        line = text[at:stop]
        start = at + len(line) - len(line.lstrip(b" \t"))
        lines.append((start, max(start, at + len(line.rstrip(b" \t")))))
        if found is None:
            break
        at = found.end()
    return lines


def _is_of_a_key(line: bytes) -> bool:
    """Whether a line is base64 and no path: lines of a key have mixed letters, and those of examples no slash."""
    if _BASE64.fullmatch(line) is None:
        return False
    return (
        b"/" not in line
        or line.endswith(b"=")
        or not any(letters.isdisjoint(line) for letters in _MIXED)
    )
