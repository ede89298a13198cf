"""Error messages for values that could not be decoded.

Law: a message names the member, what was expected and what was found. msgspec's message has all three, in
Python's terms and without the values of an enumeration; this module translates it. It runs on
errors only, so it may be slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from msgspec.inspect import Type

_PLACE = re.compile(r" - at `(?P<path>.{0,2000})`$")
_STEP = re.compile(r"\.(?P<member>[^.\[]++)|\[(?P<index>\d{1,19}+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(?P<member>[^`]*+)`")
_MISMATCH = re.compile(r"Expected `(?P<expected>[^`]*+)`(?P<bound>[^`]*?), got `(?P<found>[^`]*+)`")
_FORBIDDEN = re.compile(r"Invalid (?:enum )?value (?P<found>.*)")

_NOUNS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def complaint(error: msgspec.ValidationError, wanted: type) -> str:
    """One sentence without a full stop; `wanted` is the type that did not fit."""
    text = str(error)
    place = _PLACE.search(text)
    path = place["path"] if place else "$"
    text = text[: place.start()] if place else text
    if missing := _MISSING.fullmatch(text):
        return f"`{_spelt(path + '.' + missing['member'])}` is missing"
    return f"{_subject(path)}{_fault(text, path, wanted)}"


def _fault(text: str, path: str, wanted: type) -> str:
    if mismatch := _MISMATCH.fullmatch(text):
        expected = _nouns(mismatch["expected"]) + mismatch["bound"]
        return f"expected {expected}, found {_nouns(mismatch['found'])}"
    if forbidden := _FORBIDDEN.fullmatch(text):
        words = _allowed(wanted, path)
        expected = f"expected {_either(words)}, " if words else ""
        return f"{expected}found {forbidden['found']}"
    return text[:1].lower() + text[1:]


def _subject(path: str) -> str:
    spelt = _spelt(path)
    return f"`{spelt}`: " if spelt else ""


def _spelt(path: str) -> str:
    return path.removeprefix("$").removeprefix(".")


def _nouns(types: str) -> str:
    return " or ".join(_NOUNS.get(word, word) for word in types.split(" | "))


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _allowed(wanted: type, path: str) -> list[str]:
    """The values that are allowed at a path: of an enumeration, or the tags of a union."""
    from msgspec import inspect

    here = [inspect.type_info(wanted)]
    steps = list(_STEP.finditer(path))
    for nth, step in enumerate(steps):
        ahead = [found for each in here for found in _inside(each, step["member"])]
        if not ahead and nth == len(steps) - 1:  # the tag of a union is no field
            return sorted({tag for each in here for tag in _tags(each)})
        here = ahead
    literals = [m for each in here for m in _members(each) if isinstance(m, inspect.LiteralType)]
    return [str(value) for literal in literals for value in literal.values]


def _members(kind: Type) -> Iterator[Type]:
    from msgspec import inspect

    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _members(each)
    else:
        yield kind


def _tags(kind: Type) -> Iterator[str]:
    from msgspec import inspect

    for each in _members(kind):
        if isinstance(each, inspect.StructType) and each.tag is not None:
            yield str(each.tag)


def _inside(kind: Type, member: str | None) -> Iterator[Type]:
    """The types of a member, or of the elements where `member` is None."""
    from msgspec import inspect

    for each in _members(kind):
        if isinstance(each, inspect.StructType) and member is not None:
            yield from (field.type for field in each.fields if field.encode_name == member)
        elif isinstance(each, inspect.DictType) and member is None:
            yield each.value_type
        elif isinstance(each, inspect.CollectionType) and member is None:
            yield each.item_type
