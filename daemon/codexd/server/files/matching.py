"""How well a path matches the letters of a query. Pure.

The figures are those of Nucleo, which Codex uses: a match is better where it begins a word and where its letters stand
together. Nucleo finds the best of all alignments; here it is a good one, found in a time linear in path and query.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_MATCH: Final = 16
_GAP_BEGINS: Final = 3
_GAP_GOES_ON: Final = 1
_TOGETHER: Final = 4
_WORD_BEGINS: Final = 8
_PART_BEGINS: Final = 9  # of a path, after a slash
_CAMEL: Final = 5
# Codex's: a match within the file's name is before all others, and one that is the whole name before that.
_IN_NAME: Final = 1 << 16
_WHOLE_NAME: Final = {"file": 3 << 16, "directory": 2 << 16}
# Longer queries are no names that a person types.
QUERY_CHARACTERS_MAX: Final = 1024


class Match(NamedTuple):
    """How a path matches."""

    score: int
    indices: tuple[int, ...]  # of its characters, ascending


def folded(text: str) -> str:
    """The text in lower case, with as many characters."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def words_of(query: str) -> list[str]:
    """The words of a query, each of which a path must have; of a very long query the first ones."""
    return folded(query[:QUERY_CHARACTERS_MAX]).split()


def match(words: list[str], path: str, lower: str, kind: str) -> Match | None:
    """How a path matches all words; `lower` is the path, folded. None if it does not."""
    name_at = lower.rfind("/") + 1
    found = _all(words, path, lower, name_at)
    if found is not None:
        whole = len(words) == 1 and lower[name_at:] == words[0]
        return Match(found.score + (_WHOLE_NAME[kind] if whole else _IN_NAME), found.indices)
    return _all(words, path, lower, 0)


def _all(words: list[str], path: str, lower: str, begin: int) -> Match | None:
    score, indices = 0, set[int]()
    for word in words:
        places = _places(word, path, lower, begin)
        if places is None:
            return None
        score += _score(places, path)
        indices.update(places)
    return Match(score, tuple(sorted(indices)))


def _places(word: str, path: str, lower: str, begin: int) -> list[int] | None:
    """The places of a word's letters from `begin` on: together if they are somewhere."""
    first = at = lower.find(word, begin)
    while at >= 0 and not _bonus(path, at):
        at = lower.find(word, at + len(word))
    if first >= 0:  # Where it begins no word, its first place is as good as any.
        at = first if at < 0 else at
        return list(range(at, at + len(word)))
    soonest = _soonest(word, lower, begin)
    if soonest is None:
        return None
    latest, end = list[int](), soonest[-1] + 1  # the same letters, as near to the last as they are
    for letter in reversed(word):
        end = lower.rfind(letter, begin, end)
        latest.append(end)
    return max(soonest, latest[::-1], key=lambda places: _score(places, path))


def _soonest(word: str, lower: str, begin: int) -> list[int] | None:
    places: list[int] = []
    end = begin
    for letter in word:
        end = lower.find(letter, end) + 1
        if not end:
            return None
        places.append(end - 1)
    return places


def _score(places: list[int], path: str) -> int:
    score, before, run = 0, -1, 0
    for number, place in enumerate(places):
        bonus = _bonus(path, place)
        if number and place == before + 1:
            run = max(run, bonus) if bonus >= _WORD_BEGINS else run
            bonus = max(bonus, run, _TOGETHER)
        else:
            run = bonus
            if number:
                score -= _GAP_BEGINS + (place - before - 2) * _GAP_GOES_ON
        score += _MATCH + (bonus if number else 2 * bonus)
        before = place
    return max(score, 0)


def _bonus(path: str, at: int) -> int:
    """What a match is worth that begins at a character."""
    here, before = path[at], path[at - 1] if at else "/"
    if before == "/":
        return _PART_BEGINS
    if not here.isalnum() or not before.isalnum():
        return _WORD_BEGINS
    if (here.isupper() and before.islower()) or (here.isdigit() and not before.isdigit()):
        return _CAMEL
    return 0
