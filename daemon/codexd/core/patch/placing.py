"""Where the hunks of a patch lie in a file, and the file that they make of it.

A hunk lies at the first place after the hunk before it where its lines are found. Each of these is tried on the
rest of the file before the next, as Codex does: the lines as they are; without blanks at their ends; without blanks
around them; with typographic dashes, quotes and blanks as plain ones. Lines that stay keep the form that they have
in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import msgspec

from codexd.core.patch.dialect import BadPatch, Hunk
from codexd.core.patch.file_lines import End, FileLines

_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys(
            "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
        ),
    }
)


def _plain(line: str) -> str:
    return line.translate(_PLAIN).strip()


_FORMS: Final[tuple[Callable[[str], str], ...]] = (str, str.rstrip, str.strip, _plain)
# Lines that are compared for one patch: a patch of 20,000 lines on a file of 100,000 needs some hundred thousand.
# A patch that repeats one line against a file that repeats it would need their product.
COMPARISONS_MAX: Final = 2_000_000
# Lines of a file in an error: what a model needs in order to correct the hunk.
_SHOWN_LINES: Final = 8
_SHOWN_CHARACTERS: Final = 160


class Edit(msgspec.Struct, frozen=True):
    """Lines of a file that are replaced."""

    start: int  # the first line, from 0
    old: int  # lines that go
    new: tuple[str, ...]  # lines that come


class _Place:
    """Looks for lines in a file, each form of the file made once."""

    def __init__(self, lines: FileLines) -> None:
        self._forms: list[list[str]] = [lines.texts]
        self.count = len(lines.texts)
        self._left = COMPARISONS_MAX

    def find(self, wanted: Sequence[str], start: int, *, at_end: bool = False) -> int | None:
        """The first place from `start` on; None if there is none. Raises: BadPatch, if the search takes too long."""
        last = self.count - len(wanted)
        first = max(start, last) if at_end else start
        for index in range(len(_FORMS)):
            if (found := self._find(wanted, index, first, last)) is not None:
                return found
        return None

    def _find(self, wanted: Sequence[str], index: int, first: int, last: int) -> int | None:
        lines, form = self._in_form(index), _FORMS[index]
        wanted = [form(line) for line in wanted]
        for at in range(first, last + 1):
            same = 0
            while same < len(wanted) and lines[at + same] == wanted[same]:
                same += 1
            if same == len(wanted):
                return at
            self._left -= same + 1
            if self._left < 0:
                raise BadPatch(
                    "its lines are so often alike that finding their place takes too long: "
                    "make a smaller patch, with lines that are found only once"
                )
        return None

    def _in_form(self, index: int) -> list[str]:
        while len(self._forms) <= index:
            self._forms.append([_FORMS[len(self._forms)](line) for line in self._forms[0]])
        return self._forms[index]


def edits_of(path: str, lines: FileLines, hunks: Sequence[Hunk]) -> list[Edit]:
    """What the hunks change in a file, in the order of its lines. Raises: BadPatch."""
    place, at, edits = _Place(lines), 0, []
    for hunk in hunks:
        start = at
        for context in hunk.context:
            found = place.find([context], start)
            if found is None:
                raise BadPatch(_not_found(path, lines, hunk, [context], start))
            start = found + 1
        old = [line.text for line in hunk.lines if line.sign != "+"]
        if not old and (hunk.at_end or not hunk.context):
            edits += _edits(hunk, place.count, 0)
            at = start  # lines at the end of the file do not say where the next hunk lies
            continue
        begin = start
        if old:
            begin, old = _begin(place, path, lines, hunk, old, start)
        edits += _edits(hunk, begin, len(old))
        at = begin + len(old)
    return _in_order(edits)


def _in_order(edits: list[Edit]) -> list[Edit]:
    """The edits in the order of their lines; lines that come at the same place are one edit."""
    ordered: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: edit.start):
        last = ordered[-1] if ordered else None
        if last is not None and last.start == edit.start and not last.old:
            ordered[-1] = Edit(edit.start, edit.old, last.new + edit.new)
        else:
            ordered.append(edit)
    return ordered


def _begin(
    place: _Place, path: str, lines: FileLines, hunk: Hunk, old: list[str], start: int
) -> tuple[int, list[str]]:
    """Where a hunk begins, and its old lines as they are found there."""
    found = place.find(old, start, at_end=hunk.at_end)
    if found is None and old[-1] == "" and len(old) > 1:
        # The empty line that a model sees after the last newline.
        found = place.find(old[:-1], start, at_end=hunk.at_end)
        old = old if found is None else old[:-1]
    if found is None:
        raise BadPatch(_not_found(path, lines, hunk, old, start))
    return found, old


def _edits(hunk: Hunk, begin: int, count: int) -> list[Edit]:
    """The runs of changed lines of a hunk that begins at a line and has so many old ones."""
    edits: list[Edit] = []
    at, went, came = begin, 0, list[str]()
    for line in hunk.lines:
        if line.sign == "+":
            came.append(line.text)
        elif line.sign == "-" and at + went < begin + count:
            went += 1
        else:
            if went or came:
                edits.append(Edit(at, went, tuple(came)))
            at, went, came = at + went + 1, 0, []
    if went or came:
        edits.append(Edit(min(at, begin + count), went, tuple(came)))
    return edits


def edited(lines: FileLines, edits: Sequence[Edit]) -> FileLines:
    """The file after the edits. New lines have its usual end; a last line without an end stays one, unless it is empty."""
    usual, texts, ends, at = lines.usual_end, list[str](), list[End](), 0
    for edit in edits:
        texts += lines.texts[at : edit.start]
        ends += lines.ends[at : edit.start]
        if edit.new and ends and ends[-1] == "":
            ends[-1] = usual
        texts += edit.new
        ends += [usual] * len(edit.new)
        at = edit.start + edit.old
    texts += lines.texts[at:]
    ends += lines.ends[at:]
    if lines.is_unfinished and texts and texts[-1]:
        ends[-1] = ""
    return FileLines(texts, ends, lines.marked)


def _not_found(path: str, lines: FileLines, hunk: Hunk, wanted: Sequence[str], start: int) -> str:
    """What was expected, and what the file has there: enough to correct the hunk."""
    before = f", after line {start}," if start else ""
    where = " at its end" if hunk.at_end else ""
    texts = [
        f"{path}: the hunk at line {hunk.number} of the patch does not fit. Expected{before} to find{where}:",
        *_shown(wanted),
    ]
    near = _nearest(lines, wanted, start)
    if near is None:
        return "\n".join(
            [*texts, f"None of these lines is there; the file has {len(lines.texts)} lines."]
        )
    return "\n".join(
        [*texts, f"The file has from line {near + 1} on:", *_shown(lines.texts[near:])]
    )


def _nearest(lines: FileLines, wanted: Sequence[str], start: int) -> int | None:
    """The line of the file where the first wanted line that it has would make the hunk begin."""
    firsts: dict[str, int] = {}
    for at, text in enumerate(lines.texts):
        key = _plain(text)
        if key and (key not in firsts or firsts[key] < start):
            firsts[key] = at
    for index, text in enumerate(wanted):
        if (found := firsts.get(_plain(text))) is not None:
            return max(0, found - index)
    return None


def _shown(lines: Sequence[str]) -> list[str]:
    shown = [f"  {line[:_SHOWN_CHARACTERS]}" for line in islice(lines, _SHOWN_LINES)]
    return shown if len(lines) <= _SHOWN_LINES else [*shown, "  …"]
