"""A thread's title where nobody gave it a name: made of its first prompt, or by a model if that is wanted.

Law: a title never takes the place of a name that a person gave or took away, and no turn waits for one.
"""

from __future__ import annotations

import re

import msgspec

from codexd.core.events.base import NOTHING, Fact

# A line of a list on a usual screen, beside an id, an age and a status.
TITLE_CHARACTERS_MAX = 60
# What a text is about is said at its beginning; a line without a word in it is passed over.
LOOKED_AT_CHARACTERS_MAX = 20_000
# What a model is shown of a prompt to name it by: more says nothing more about what it is about.
PROMPT_CHARACTERS_MAX = 2_000


class TitleRequested(Fact, frozen=True):
    """A model is about to be asked for the thread's title."""

    type = "title.requested"
    prompt: str  # what it is asked about
    model: str
    provider: str


class TitleEnded(Fact, frozen=True):
    """It answered, or will not. The name that came of it is an event of its own."""

    type = "title.ended"
    duration_ms: int = 0
    usage: msgspec.Raw = NOTHING  # as the provider sent it; no part of the thread's own
    error: str | None = None


def request_in(text: str) -> str:
    """What a person asks: behind this heading, where an editor put its own context before it."""
    found = _REQUEST_HEADING.search(text)
    return (text[found.end() :] if found else text).strip()


def title_of(text: str) -> str:
    """One line that says what a text is about; empty where it has no words."""
    for line in request_in(text)[:LOOKED_AT_CHARACTERS_MAX].splitlines():
        words = " ".join(_MARKS.sub(" ", line).split()).strip("\"'“”")
        if any(letter.isalnum() for letter in words):
            return _bounded(words)
    return ""


def _bounded(words: str) -> str:
    """At most so many characters, cut between words where there is a place to cut."""
    if len(words) <= TITLE_CHARACTERS_MAX:
        return words
    cut = words[: TITLE_CHARACTERS_MAX - 1]
    whole, space, _ = cut.rpartition(" ")
    return (whole if space and len(whole) > TITLE_CHARACTERS_MAX // 2 else cut).rstrip() + "…"


# A line of its own: a person may well write these words in a sentence.
_REQUEST_HEADING = re.compile(r"^## My request for Codex:", re.MULTILINE)
# What marks a heading, a quotation, an item of a list or a fence, and what no line can show.
_MARKS = re.compile(
    r"^\s*+(?:#{1,6}\s|>++\s|[-*+]\s|\d++[.)]\s|```\S*+|~~~\S*+)|[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\ufeff]"
)
