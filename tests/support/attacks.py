"""Texts that are the worst for a regular expression: made from its own tree, of any length.

What makes `re` slow is a piece that it may take, over and over, and then something that it may not. So for
every repeat in an expression there are the texts `lead piece piece piece … end`: the lead is what the
expression wants in front of the repeat, and the end is what it does not want, or nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from compiled_patterns import AnyPattern

ENDS = ("", "\x00", " a@b=12345678\n")
# For a few thousand bytes: whatever it is, it stops everything.
TOO_LONG_S = 0.2
# Sizes to begin with: from each to the next one, what doubles with every letter takes 16 times as long.
FEW = range(8, 64, 4)
# Below this an attack costs less than 30 ns a byte: that is one pass over the text.
CHEAP_S = 0.001
# Twice the length twice: a line takes 4 times as long, a square 16 times.
GROWTH_MAX = 9.0


def attacks_of(pattern: AnyPattern) -> list[Callable[[int], str]]:
    """What makes texts of about a size, each to be searched from its beginning."""
    parts = list(sre_parser.parse(pattern.pattern, pattern.flags))
    found: dict[tuple[str, str, str], None] = {}
    for lead, piece in _repeats("", parts):
        found |= {(lead, piece, end): None for end in ENDS if piece}
        found |= {("", lead + piece, ""): None, ("", lead, ""): None}
    return [partial(_attack, *attack) for attack in found if attack[1]]


def _attack(lead: str, piece: str, end: str, size: int) -> str:
    return lead + piece * max(1, (size - len(lead)) // len(piece)) + end


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """What it takes of the processor, without what disturbed it."""
    least = float("inf")
    for _ in range(times):
        begin = time.process_time()
        work()
        least = min(least, time.process_time() - begin)
    return least


def is_linear(
    work: Callable[[str], object], attack: Callable[[int], str], small: int = 2**12
) -> bool:
    """Whether four times the text takes about four times as long."""
    # What doubles with each piece would never come back from the sizes below.
    for size in (*FEW, small // 8):
        few, begin = attack(size), time.perf_counter()
        work(few)
        # That clock costs nothing to read; what it finds too long, others may have held up.
        if time.perf_counter() - begin > TOO_LONG_S and seconds(lambda: work(few), 1) > TOO_LONG_S:  # noqa: B023
            return False
    text, longer = attack(small), attack(small * 4)
    if seconds(lambda: work(text), 1) < CHEAP_S * small / 2**15:
        return True
    # A busy machine may disturb one of them. The longer text is by far the dearer one: once in each round.
    return any(
        seconds(lambda: work(longer), 1) < GROWTH_MAX * seconds(lambda: work(text))
        for _ in range(3)
    )


def _repeats(lead: str, parts: list[tuple[Any, Any]]) -> Iterator[tuple[str, str]]:
    """What stands in front of each repeat, and what it repeats."""
    for operator, operand in parts:
        match operator:
            case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
                _, most, body = operand
                if most > 1:
                    for choice in range(2):
                        yield lead, _sample(list(body), choice)
                yield from _repeats(lead, list(body))
            case sre.SUBPATTERN:
                yield from _repeats(lead, list(operand[3]))
            case sre.ATOMIC_GROUP:
                yield from _repeats(lead, list(operand))
            case sre.ASSERT | sre.ASSERT_NOT:
                yield from _repeats(lead, list(operand[1]))
            case sre.BRANCH:
                for part in operand[1]:
                    yield from _repeats(lead, list(part))
                    yield lead, _sample(list(part), 0)
            case _:
                pass
        lead += _sample([(operator, operand)], 0)


def _sample(parts: list[tuple[Any, Any]], choice: int) -> str:
    """A text that these parts match; `choice` picks among letters and alternatives."""
    found = ""
    for operator, operand in parts:
        match operator:
            case sre.LITERAL:
                found += chr(operand)
            case sre.NOT_LITERAL:
                found += "x" if operand != ord("x") else "y"
            case sre.ANY:
                found += "ax "[choice]
            case sre.IN:
                found += _letter(operand, choice)
            case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
                least, most, body = operand
                found += _sample(list(body), choice) * min(max(int(least), 1), 64, int(most))
            case sre.SUBPATTERN:
                found += _sample(list(operand[3]), choice)
            case sre.ATOMIC_GROUP:
                found += _sample(list(operand), choice)
            case sre.BRANCH:
                found += _sample(list(operand[1][choice % len(operand[1])]), choice)
            case sre.ASSERT if operand[0] < 0 and not found:
                found += _sample(list(operand[1]), choice)
            case _:
                pass
    return found


_CATEGORIES = {
    sre.CATEGORY_DIGIT: "123",
    sre.CATEGORY_NOT_DIGIT: "a x",
    sre.CATEGORY_SPACE: " \t\n",
    sre.CATEGORY_NOT_SPACE: "ax-",
    sre.CATEGORY_WORD: "a_1",
    sre.CATEGORY_NOT_WORD: " -.",
}


def _letter(items: list[tuple[Any, Any]], choice: int) -> str:
    letters: list[str] = []
    refused: set[int] = set()
    negated = False
    for kind, value in items:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            letters.append(chr(value))
            refused.add(value)
        elif kind is sre.RANGE:
            letters += [chr(value[0]), chr(value[1])]
            refused.update(range(value[0], min(value[1], 300) + 1))
        else:
            letters += _CATEGORIES[value]
            refused.update(map(ord, _CATEGORIES[value]))
    if negated:
        letters = [char for char in "a x.\\-/:1\n" if ord(char) not in refused] or ["é"]
    return letters[[0, len(letters) // 2, -1][choice]]
