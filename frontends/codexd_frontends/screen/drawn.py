"""Foreign text as codexctl draws it: lines, texts and what grows; and the last look before it is written. Pure.

Which characters are written out is said in `codexd.protocol.display.visible`. Here it is said what is a line: a
name, a path, a text of the daemon's has no line break, so that it cannot look like a line of ours.
"""

from __future__ import annotations

import re

from codexd.protocol.display.visible import (
    MARKS_IN_A_ROW_MAX,
    UNDECIDED,
    visible_line,
    visible_prose,
    visible_text,
)
from codexd_frontends.screen.style import MARKS

# A name, a path, a reason: more than a few rows of a terminal push away the lines above.
LINE_CHARACTERS_MAX = 1000
# Why the daemon refuses something: a sentence, or a few.
MESSAGE_CHARACTERS_MAX = 4000

_COLOURS = {mark: f"\x1b[{code}m" for code, mark in MARKS.items()}
_MARK = re.compile(f"([{''.join(_COLOURS)}])")
_LINE_BREAK = visible_line("\n", 10)
_WRITTEN_OUT = "\\u{"
_WRITTEN_OUT_TWICE = visible_text(_WRITTEN_OUT)


def one_line(text: str, characters_max: int = LINE_CHARACTERS_MAX) -> str:
    """A name, a path, a message: on one line, with every character seen."""
    return visible_line(text, characters_max)


def title(text: str, characters_max: int) -> str:
    """A name or the beginning of a prompt, its line breaks and rows of blanks as one blank."""
    return visible_line(" ".join(text.split()), characters_max)


def lines_of(text: str) -> list[str]:
    """The lines of a command or of its output, with every character seen."""
    return visible_text(text).split("\n")


def drawn_once(text: str, characters_max: int | None = None) -> str:
    """A text that the daemon may have made visible already: every character is visible, and none is escaped twice.

    With `characters_max`: on one line, and no longer.
    """
    drawn = visible_text(text) if characters_max is None else visible_line(text, characters_max)
    return drawn.replace(_WRITTEN_OUT_TWICE, _WRITTEN_OUT)


def prose_lines(text: str) -> list[str]:
    """The lines of what a person or a model wrote to be read."""
    return visible_prose(text).split("\n")


def indented(text: str) -> str:
    """A message of perhaps several lines, where only the first begins in our first column."""
    return visible_prose(text).replace("\n", "\n  ")


def last_look(text: str) -> str:
    """The text to write: marks become colours, and all characters are made visible."""
    return "".join(_COLOURS.get(piece) or visible_prose(piece) for piece in _MARK.split(text))


def last_look_at_line(line: str) -> str:
    """The same for what must be one line."""
    return without_breaks(last_look(line))


def without_breaks(line: str) -> str:
    """A text as a single line."""
    return line.replace("\n", _LINE_BREAK)


class GrowingProse:
    """A model's text that comes in pieces; the result does not depend on how it is split."""

    def __init__(self) -> None:
        self._before = ""  # the end of what is drawn, as far as the next character looks back
        self._held = ""  # a character whose meaning depends on the next

    def grow(self, new: str) -> str:
        """The text to draw for a piece."""
        text = self._held + new
        self._held = ""
        if text and text[-1] in UNDECIDED:
            text, self._held = text[:-1], text[-1]
        return self._add(text)

    def end(self) -> str:
        """The text that was held back, at the end."""
        drawn = self._add(self._held)
        self._before = self._held = ""
        return drawn

    def _add(self, text: str) -> str:
        with_before = self._before + text
        drawn = visible_prose(with_before)[len(visible_prose(self._before)) :]
        self._before = with_before[-MARKS_IN_A_ROW_MAX - 1 :]
        return drawn
