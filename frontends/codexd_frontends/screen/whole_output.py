"""The whole output of a command as lines, in bounded memory. Pure.

Bytes that are no UTF-8 are drawn as U+FFFD, and every character that a terminal would obey is written out.
"""

from __future__ import annotations

import codecs
from typing import Final

from codexd_frontends.screen.drawn import lines_of
from codexd_frontends.screen.style import Style

# A longer line is drawn in parts, so that an output without line breaks takes no memory.
PART_CHARACTERS_MAX: Final = 64 * 1024
INDENT: Final = "  "


class WholeOutput:
    """Draws an output that comes in parts; the result does not depend on how it is split."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""  # the end of what came, which is not drawn yet
        self._begun = False  # a part of its line is drawn

    def grow(self, data: bytes) -> str:
        """The text to write for more bytes."""
        *lines, self._line = (self._line + self._decoder.decode(data)).split("\n")
        drawn = [self._part(line.removesuffix("\r")) + "\n" for line in lines]
        while len(self._line) > PART_CHARACTERS_MAX:
            part, self._line = self._line[:PART_CHARACTERS_MAX], self._line[PART_CHARACTERS_MAX:]
            drawn.append(self._part(part))
            self._begun = True
        return "".join(drawn)

    def end(self) -> str:
        """The rest, and the end of the last line."""
        self._line += self._decoder.decode(b"", final=True)
        if not self._line and not self._begun:
            return ""
        return self._part(self._line) + "\n"

    def _part(self, text: str) -> str:
        (drawn,) = lines_of(text)
        indent, self._begun = "" if self._begun else INDENT, False
        return self._style.dim(indent + drawn)
