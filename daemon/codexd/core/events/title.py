"""The title of a thread without a name: made from its first prompt, or by a model if configured.

Law: a title never replaces a name that a person set or removed, and no turn waits for a title.
"""

from __future__ import annotations

import re

import msgspec

from codexd.core.events.base import NOTHING, Fact

# Fits a line of a list on a usual screen, beside an id, an age and a status.
TITLE_CHARACTERS_MAX = 60
# How much of a text is searched for a title: its beginning names its subject.
LOOKED_AT_CHARACTERS_MAX = 20_000
# How much of a prompt the model receives for a title.
PROMPT_CHARACTERS_MAX = 2_000


class TitleRequested(Fact, frozen=True):
    """A model is about to be asked for the thread's title."""

    type = "title.requested"
    prompt: str  # the text to name
    model: str
    provider: str


class TitleEnded(Fact, frozen=True):
    """The request for a title has ended. The name is set by an event of its own."""

    type = "title.ended"
    duration_ms: int = 0
    usage: msgspec.Raw = NOTHING  # as the provider sent it; not part of the thread's usage
    error: str | None = None


def request_in(text: str) -> str:
    """The person's request: the text after this heading, if an editor put its own context before it."""
    found = _REQUEST_HEADING.search(text)
    return (text[found.end() :] if found else text).strip()


def title_of(text: str) -> str:
    """A line that summarizes a text; empty if it has no words."""
    for line in request_in(text)[:LOOKED_AT_CHARACTERS_MAX].splitlines():
        words = " ".join(_MARKS.sub(" ", line).split())
        words = words.strip(_QUOTES) if words.startswith(tuple(_QUOTES)) else words
        if any(letter.isalnum() for letter in words):
            return _bounded(words)
    return ""


def _bounded(words: str) -> str:
    """At most TITLE_CHARACTERS_MAX characters, cut between words if possible."""
    if len(words) <= TITLE_CHARACTERS_MAX:
        return words
    cut = words[: TITLE_CHARACTERS_MAX - 1]
    whole, space, _ = cut.rpartition(" ")
    return (whole if space and len(whole) > TITLE_CHARACTERS_MAX // 2 else cut).rstrip() + "…"


# A line of its own: a person may well write these words in a sentence.
_REQUEST_HEADING = re.compile(r"^## My request for Codex:", re.MULTILINE)
_QUOTES = "\"'“”"
# Marks of a heading, a quotation, a list item or a fence, and invisible characters.
_MARKS = re.compile(
    r"^\s*+(?:#{1,6}\s|>++\s|[-*+]\s|\d++[.)]\s|```\S*+|~~~\S*+)|[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\ufeff]"
)
