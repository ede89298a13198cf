"""A person's search term, matched against texts: words, phrases, prefixes. Pure.

    cache "exit code" foo_bar.py retr*

All words must be in one text. Words are separated by other signs, as in the full-text index, so a path or `a::b`
is a phrase of adjacent words, as is a text in double quotes. A star at the end makes a prefix. No typed text is
an operator of the index's own query language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

# A longer term is a text that was pasted where a few words were expected.
TERM_CHARS_MAX: Final = 1000
PHRASES_MAX: Final = 32
# A snippet is a line of a list; it has this much text before the match.
SNIPPET_CHARS: Final = 160
SNIPPET_LEAD: Final = 40

_TYPED: Final = re.compile(r'"([^"]*+)"?(\*?)|([^\s"]++)')


class InvalidTerm(ValueError):
    """There is nothing to look for in it."""


class Phrase(msgspec.Struct, frozen=True):
    """Adjacent words."""

    words: tuple[str, ...]  # as they are compared
    typed: str  # the same as the index is asked for them
    prefix: bool = False  # the last word is a prefix


def read_term(typed: str) -> tuple[Phrase, ...]:
    """The phrases to look for. Raises: InvalidTerm."""
    if len(typed) > TERM_CHARS_MAX:
        raise InvalidTerm(
            f"searchTerm: expected at most {TERM_CHARS_MAX} characters, found {len(typed)}"
        )
    phrases: dict[Phrase, None] = {}
    for found in _TYPED.finditer(typed):
        text = found[3] if found[3] is not None else found[1]
        tokens = list(_tokens(text))
        words = tuple(token[0] for token in tokens)
        plain = " ".join(text[start:end] for _, start, end in tokens)
        star = bool(found[2]) or (found[3] is not None and text.endswith("*"))
        if words:
            phrases[Phrase(words, plain, star)] = None
    if not phrases:
        raise InvalidTerm(f"searchTerm: expected at least one word, found {typed[:80]!r}")
    if len(phrases) > PHRASES_MAX:
        raise InvalidTerm(f"searchTerm: expected at most {PHRASES_MAX} words, found {len(phrases)}")
    return tuple(phrases)


def as_match(phrases: Sequence[Phrase]) -> str:
    """It in the full-text index's own language. A word has no quotes in it: those are signs."""
    return " AND ".join(f'"{phrase.typed}"{"*" if phrase.prefix else ""}' for phrase in phrases)


def spans_of(phrases: Sequence[Phrase], text: str) -> list[tuple[int, int]] | None:
    """The first match of each phrase; None where a phrase has none."""
    tokens = list(_tokens(text))
    spans = []
    for phrase in phrases:
        span = _first(phrase, tokens)
        if span is None:
            return None
        spans.append(span)
    return sorted(spans)


def is_in(phrases: Sequence[Phrase], text: str) -> bool:
    """Whether a text has all phrases, by the rules of the index."""
    return spans_of(phrases, text) is not None


class Snippet(msgspec.Struct, frozen=True):
    """A line of a text, and the spans of the matches in it, in code points."""

    text: str
    ranges: tuple[tuple[int, int], ...] = ()


def snippet_of(phrases: Sequence[Phrase], text: str) -> Snippet:
    """The text around the matches, on one line."""
    spans = spans_of(phrases, text) or []
    return cut_around(text, merged(spans))


def cut_around(text: str, spans: Sequence[tuple[int, int]]) -> Snippet:
    """The surroundings of the first of some places in a text."""
    first = spans[0][0] if spans else 0
    start = max(0, first - SNIPPET_LEAD)
    # Room for all of what was found, however long, and then no more than a line.
    end = max(start + SNIPPET_CHARS, spans[0][1] if spans else 0)
    pieces, ranges, size = [], [], 0

    def add(piece: str) -> None:
        nonlocal size
        if piece:
            pieces.append(piece)
            size += len(piece)

    add("…" if start else "")
    at = start
    for span in spans:
        if span[0] < at or span[1] > end:
            continue
        add(_line(text[at : span[0]]))
        ranges.append((size, size + span[1] - span[0]))
        add(text[span[0] : span[1]].translate(_BLANKS))
        at = span[1]
    add(_line(text[at:end]))
    add("…" if end < len(text) else "")
    return Snippet("".join(pieces), tuple(ranges))


def merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, with overlapping spans merged."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


# Letters, digits and the marks on them; an underscore is a sign.
_TOKEN: Final = re.compile(r"[^\W_]++(?:[\u0300-\u036f]++[^\W_]*+)*+")


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text as the index's tokenizer finds them (unicode61, without diacritics)."""
    is_ascii = text.isascii()
    for found in _TOKEN.finditer(text):
        word = found[0].lower()
        yield (word if is_ascii else _plain(word)), found.start(), found.end()


@lru_cache(maxsize=4096)
def _plain(word: str) -> str:
    letters = unicodedata.normalize("NFD", word)
    kept = "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
    return unicodedata.normalize("NFC", kept)


_BLANKS: Final = dict.fromkeys(range(32), " ")
_SEVERAL_BLANKS: Final = re.compile(r"\s+")


def _line(text: str) -> str:
    return _SEVERAL_BLANKS.sub(" ", text)


def _first(phrase: Phrase, tokens: list[tuple[str, int, int]]) -> tuple[int, int] | None:
    words, length = phrase.words, len(phrase.words)
    for at in range(len(tokens) - length + 1):
        if all(tokens[at + n][0] == words[n] for n in range(length - 1)):
            last = tokens[at + length - 1][0]
            if last == words[-1] or (phrase.prefix and last.startswith(words[-1])):
                return tokens[at][1], tokens[at + length - 1][2]
    return None
