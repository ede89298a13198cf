"""Proves that a regular expression takes linear time on any text.

`re` backtracks: `(a+)+$` doubles its time with each letter, `a+b` takes quadratic time. A person's expression is
applied to text of models and commands, so it is accepted only if it takes at most STEPS_MAX steps at any
position of a text. An unbounded repeat is allowed at the end, since the matched text is not searched again.
It is also allowed for letters with which no match begins, since no other match begins within it.

The proof reads the parse tree of `re`, and counts the ways in which each part may match at one position, and
the steps to try them all. If the part after a repeat begins with none of the repeated letters, it can follow in
one way only. An operator that the proof does not know is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, Final

import msgspec

# Steps at one position of a text: 4 KiB of the worst text take some 40 ms, and most texts take far less.
STEPS_MAX: Final = 1_000
# Longer expressions do not describe a secret; and the proof recurses with the depth of brackets.
CHARACTERS_MAX: Final = 1_000
# Counting stops here: any larger number is refused.
_MANY: Final = 10**9
_BYTES: Final = 256
_OTHERS: Final = _BYTES  # stands for all letters that are not Latin-1
_ALL: Final = frozenset(range(_BYTES + 1))
_NONE: Final[frozenset[int]] = frozenset()


class NotLinear(ValueError):
    """An expression may take too long; the message says which part."""


class _Shape(msgspec.Struct, frozen=True):
    """How a part of an expression may match at one position of a text."""

    ways: int = 1  # in which it may match
    work: int = 1  # steps until all ways are tried
    first: frozenset[int] = _ALL  # letters that it may begin with
    letters: frozenset[int] = _ALL  # letters that it may have
    empty: bool = False  # whether it may match nothing
    # The letters that it repeats, if each repetition matches in one way.
    loops: frozenset[int] | None = None


def linear_pattern(text: str) -> re.Pattern[bytes]:
    """A person's expression, compiled. Raises: NotLinear, with a message for its author."""
    if len(text) > CHARACTERS_MAX:
        raise NotLinear(f"expected at most {CHARACTERS_MAX} characters, found {len(text)}")
    try:
        pattern = re.compile(text.encode())
        check_linear(pattern)
    except NotLinear:
        raise
    except (re.error, OverflowError, RecursionError, UnicodeError, KeyError) as error:
        raise NotLinear(f"expected a regular expression: {error}") from error
    return pattern


def check_linear(pattern: re.Pattern[bytes] | re.Pattern[str], steps_max: int = STEPS_MAX) -> int:
    """The most steps that it takes at one position of a text. Raises: NotLinear."""
    parts = list(sre_parser.parse(pattern.pattern, pattern.flags))
    begins = _Proof(_NONE).sequence(parts, pattern.flags, last=True).first
    shape = _Proof(begins).sequence(parts, pattern.flags, last=True)
    if shape.work > steps_max:
        raise NotLinear(
            f"it may try {'more than a million' if shape.work > 10**6 else shape.work} steps at each place of "
            f"a text, and at most {steps_max} are taken: expected shorter repeats, or possessive ones such as ++"
        )
    return shape.work


class _Proof:
    """The proof for one expression; `begins` are the letters with which a match may begin."""

    def __init__(self, begins: frozenset[int]) -> None:
        self._begins = begins

    def sequence(self, parts: Sequence[tuple[Any, Any]], flags: int, *, last: bool) -> _Shape:
        """A sequence of parts. `last`: its end is the end of the whole expression."""
        shapes = [
            self._part(operator, operand, flags, last=last and at == len(parts) - 1)
            for at, (operator, operand) in enumerate(parts)
        ]
        ways, work = 1, 0
        for at, shape in enumerate(shapes):
            work += ways * shape.work
            begins = _begin(shapes[at + 1 :])
            if (
                shape.loops is not None
                and not begins.empty
                and shape.loops.isdisjoint(begins.first)
            ):
                # All ways but one fail at the next letter; in an unbounded repeat, once for each repetition.
                work += ways * (1 if shape.ways == _MANY else shape.ways) * begins.work
            else:
                ways *= shape.ways
            ways, work = min(ways, _MANY), min(work, _MANY)
        whole, only = _begin(shapes), shapes[0] if len(shapes) == 1 else None
        return _Shape(
            ways=ways,
            work=max(work, 1),
            first=whole.first,
            letters=_NONE.union(*[shape.letters for shape in shapes]),
            empty=whole.empty,
            loops=only.loops if only is not None else None,
        )

    def _part(self, operator: Any, operand: Any, flags: int, *, last: bool) -> _Shape:
        if operator in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            letters = _letters(operator, operand, flags)
            return _Shape(first=letters, letters=letters)
        if operator is sre.AT:
            return _Shape(empty=True, first=_NONE, letters=_NONE)
        if operator is sre.BRANCH:
            return _branch([self.sequence(list(branch), flags, last=last) for branch in operand[1]])
        if operator is sre.SUBPATTERN:
            _, added, taken, inner = operand
            return self.sequence(list(inner), (flags | added) & ~taken, last=last)
        if operator is sre.ATOMIC_GROUP:
            return msgspec.structs.replace(
                self.sequence(list(operand), flags, last=False), ways=1, loops=None
            )
        if operator in (sre.ASSERT, sre.ASSERT_NOT):
            inner = self.sequence(list(operand[1]), flags, last=False)
            return _Shape(work=inner.work, empty=True, first=_NONE, letters=_NONE)
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, body = operand
            shape = self.sequence(list(body), flags, last=False)
            possessive = operator is sre.POSSESSIVE_REPEAT
            return self._repeat(shape, int(least), int(most), possessive=possessive, last=last)
        raise NotLinear(f"it uses {str(operator).lower()}, whose time cannot be bounded")

    def _repeat(
        self, body: _Shape, least: int, most: int, *, possessive: bool, last: bool
    ) -> _Shape:
        endless = most >= int(sre.MAXREPEAT)
        if endless and not last and not self._begins.isdisjoint(body.letters):
            raise NotLinear(
                "something may follow a repeat without a bound, within which another match may begin: expected a bound, such as {1,100} "
                "in place of + and {0,100} in place of *"
            )
        if endless and (body.ways > 1 or body.empty):
            raise NotLinear("a repeat without a bound repeats what may match in several ways")
        count = max(least, 1) if endless else most
        ways, work, tries = 0, 0, 1
        for done in range(min(count, _MANY) + 1):
            ways += tries if done >= least else 0
            work += tries * body.work if done < count else 0
            tries = min(tries * body.ways, _MANY)
            if body.ways == 1:  # All further repetitions cost the same.
                ways, work = max(1, count - least + 1), max(1, count) * body.work
                break
            if work >= _MANY:
                break
        return _Shape(
            ways=1 if possessive else _MANY if endless else min(max(ways, 1), _MANY),
            work=min(max(work, 1), _MANY),
            first=body.first,
            letters=body.letters,
            empty=least == 0 or body.empty,
            loops=body.first if body.ways == 1 and not body.empty else None,
        )


def _begin(shapes: Sequence[_Shape]) -> _Shape:
    """The letters that these may begin with, and the cost of finding that they do not match."""
    first, work = _NONE, 1
    for shape in shapes:
        first |= shape.first
        if not shape.empty:
            return _Shape(work=work, first=first)
        work += shape.work
    return _Shape(work=work, first=first, empty=True)


def _branch(shapes: Sequence[_Shape]) -> _Shape:
    apart = not any(shape.empty for shape in shapes) and sum(
        len(shape.first) for shape in shapes
    ) == len(_NONE.union(*[shape.first for shape in shapes]))
    ways = [shape.ways for shape in shapes]
    return _Shape(
        ways=min(max(ways) if apart else sum(ways), _MANY),
        work=min(sum(shape.work for shape in shapes), _MANY),
        first=_NONE.union(*[shape.first for shape in shapes]),
        letters=_NONE.union(*[shape.letters for shape in shapes]),
        empty=any(shape.empty for shape in shapes),
    )


def _letters(operator: Any, operand: Any, flags: int) -> frozenset[int]:
    """The letters that a single-character part matches."""
    if operator is sre.ANY:
        return _ALL if flags & re.DOTALL else _ALL - {10}
    if operator is sre.LITERAL:
        return _cased({operand}, flags)
    if operator is sre.NOT_LITERAL:
        return _ALL - (_cased({operand}, 0) if not flags & re.IGNORECASE else frozenset({operand}))
    found: set[int] = set()
    negated = False
    for kind, value in operand:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            found.add(value)
        elif kind is sre.RANGE:
            found.update(range(value[0], min(value[1], _OTHERS) + 1))
            found.update({_OTHERS} if value[1] >= _BYTES else ())
        else:
            found |= _category(value, negated=negated)
    if negated:
        return _ALL - {letter for letter in found if letter < _BYTES}
    return _cased(found, flags)


def _cased(letters: Iterable[int], flags: int) -> frozenset[int]:
    """The letters with their other cases; all that are not Latin-1 become `_OTHERS`."""
    found = {letter if letter < _BYTES else _OTHERS for letter in letters}
    if flags & re.IGNORECASE:
        for letter in list(found):
            cases = {chr(letter).lower(), chr(letter).upper(), chr(letter).swapcase()}
            found |= {min(ord(other), _OTHERS) for other in cases if len(other) == 1}
        found.add(_OTHERS)  # such as the Kelvin sign, which is a k
    return frozenset(found)


# The Latin-1 letters of each category; of other letters it may have any.
_CATEGORIES: Final = {
    sre.CATEGORY_DIGIT: rb"\d",
    sre.CATEGORY_NOT_DIGIT: rb"\D",
    sre.CATEGORY_SPACE: rb"\s",
    sre.CATEGORY_NOT_SPACE: rb"\S",
    sre.CATEGORY_WORD: rb"\w",
    sre.CATEGORY_NOT_WORD: rb"\W",
}


def _category(name: Any, *, negated: bool) -> frozenset[int]:
    regex = _CATEGORIES[name]
    ascii_only = frozenset(at for at in range(_BYTES) if re.match(regex, bytes([at])))
    # In a text, it may have any letter from 128 on: the proof assumes the larger set.
    return ascii_only if negated else ascii_only | frozenset(range(128, _BYTES + 1))
