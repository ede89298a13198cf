"""Whether to use colour, decided per stream, and the few colours there are, as marks. Pure.

The order is that of no-color.org, bixense.com/clicolors and force-color.org: the `--color` flag, then a
non-empty NO_COLOR, then FORCE_COLOR or CLICOLOR_FORCE, then whether the stream is a terminal that can.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partialmethod
from typing import Literal

import msgspec

ColorChoice = Literal["auto", "always", "never"]


def wants_color(choice: ColorChoice, environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether a stream gets colour."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal and environ.get("TERM", "") not in ("", "dumb")


_END = "0"
# A colour on its way to the screen, by its code: a lone surrogate, which nothing that is decoded can hold. So
# when lines are written, our colours are known from all that others may have put into them.
MARKS = {code: chr(0xD800 + at) for at, code in enumerate((_END, "1", "2", "31", "32", "33", "36"))}


class Style(msgspec.Struct, frozen=True):
    """The colours of one stream; without colour every method gives back what it got."""

    color: bool = False

    def _sgr(self, code: str, text: str) -> str:
        return f"{MARKS[code]}{text}{MARKS[_END]}" if self.color and text else text

    dim = partialmethod(_sgr, "2")
    bold = partialmethod(_sgr, "1")
    red = partialmethod(_sgr, "31")
    green = partialmethod(_sgr, "32")
    yellow = partialmethod(_sgr, "33")
    cyan = partialmethod(_sgr, "36")


PLAIN = Style()
