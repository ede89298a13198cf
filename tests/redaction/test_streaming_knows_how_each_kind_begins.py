"""The streaming redactor holds back the beginning of every well-known kind of token, in each of its spellings."""

from __future__ import annotations

from collections.abc import Iterable
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from codexd.redaction.patterns import _LEFT, PATTERNS
from codexd.redaction.redactor import Redactor
from codexd.redaction.streaming import _TOKENS, StreamRedactor

# They begin with anything, and are held back by what follows: `AA` in the first, the word itself in the second.
BY_WHAT_FOLLOWS = {"telegram-token", "bearer-token"}
WORDS = {pattern.kind: pattern for pattern in PATTERNS if pattern.source.startswith(_LEFT)}


def beginnings(parts: Iterable[tuple[Any, Any]]) -> tuple[list[bytes], bool]:
    """The letters that a match can begin with, up to the first repeat; and whether that is all of the parts."""
    found = [b""]
    for kind, value in parts:
        if kind in (c.ASSERT, c.ASSERT_NOT, c.AT):
            continue
        if kind is c.LITERAL:
            branches = [([bytes([value])], True)]
        elif kind is c.IN and all(inner is c.LITERAL for inner, _ in value):
            branches = [([bytes([letter]) for _, letter in value], True)]
        elif kind is c.SUBPATTERN:
            branches = [beginnings(value[-1])]
        elif kind is c.BRANCH:
            branches = [beginnings(branch) for branch in value[1]]
        else:
            return found, False
        found = [begin + more for begin in found for mores, _ in branches for more in mores]
        if not all(is_whole for _, is_whole in branches):
            return found, False
    return found, True


@pytest.mark.parametrize("kind", sorted(WORDS.keys() - BY_WHAT_FOLLOWS))
def test_each_spelling_of_a_kind_begins_with_a_token_that_is_held_back(kind: str) -> None:
    found, _ = beginnings(parser.parse(WORDS[kind].source[len(_LEFT) :]))
    assert found
    assert not [begin for begin in found if not begin.startswith(_TOKENS)]


def test_a_token_whose_middle_is_held_back_is_held_back_from_its_beginning() -> None:
    token = b"EAACEdEose0cBA" + b"aB3d" * 12
    stream = StreamRedactor(Redactor)
    out = b"".join(stream.feed(bytes([letter])) for letter in b"it is " + token + b" here")
    assert out + stream.rest() == Redactor().raw(b"it is " + token + b" here")
    assert b"aB3daB3d" not in out
