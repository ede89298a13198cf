"""The text of a patch -> its sections, one for each file.

    *** Begin Patch
    *** Add File: path          each further line begins with +
    *** Delete File: path
    *** Update File: path
    *** Move to: path           optional
    @@ a line before the hunk   optional; several narrow the place down, each within what follows the one before
     a line that stays
    -a line that goes
    +a line that comes
    *** End of File             optional: the hunk ends where the file ends
    *** End Patch

The dialect is that of Codex's apply_patch. Read in addition, because models write it: a shell's here-document
around the patch, blanks around markers, and headers of hunks in the form of `diff -u`, whose numbers are ignored.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

# A change of more is not one that a person can judge. Longer patches are refused, and can be made in parts.
PATCH_BYTES_MAX: Final = 1024 * 1024

BEGIN: Final = "*** Begin Patch"
END: Final = "*** End Patch"
_ADD: Final = "*** Add File:"
_DELETE: Final = "*** Delete File:"
_UPDATE: Final = "*** Update File:"
_MOVE: Final = "*** Move to:"
_AT_END: Final = "*** End of File"
_HEADERS: Final = (_ADD, _DELETE, _UPDATE)
# The quoted part of a wrong line in an error: enough to find it.
_QUOTED_MAX: Final = 80
# The numbers of a hunk of `diff -u`.
_NUMBERS: Final = re.compile(r"-\d{1,9}+(?:,\d{1,9}+)?+ \+\d{1,9}+(?:,\d{1,9}+)?+(?: @@)?+ ?+")

Sign = Literal[" ", "-", "+"]


class BadPatch(Exception):
    """A patch that cannot be read or does not fit its files. The text is the answer to the model."""


class Line(msgspec.Struct, frozen=True):
    """A line of a hunk."""

    sign: Sign  # it stays, goes or comes
    text: str  # without its end


class Hunk(msgspec.Struct, frozen=True):
    """One change within a file."""

    lines: tuple[Line, ...]
    context: tuple[str, ...] = ()  # lines that come before it, in this order
    at_end: bool = False  # its last line that stays or goes is the last of the file
    number: int = 0  # the line of the patch where it begins, from 1


class AddFile(msgspec.Struct, frozen=True, tag=True):
    """A file with this content; one that exists is replaced."""

    path: str
    lines: tuple[str, ...]


class DeleteFile(msgspec.Struct, frozen=True, tag=True):
    """A file that goes."""

    path: str


class UpdateFile(msgspec.Struct, frozen=True, tag=True):
    """Changes within a file, which may get another path."""

    path: str
    hunks: tuple[Hunk, ...]
    move_to: str | None = None


Section = AddFile | DeleteFile | UpdateFile


def read_patch(text: str) -> tuple[Section, ...]:
    """The sections of a patch, in their order. Raises: BadPatch."""
    size = len(text.encode(errors="replace"))
    if size > PATCH_BYTES_MAX:
        raise BadPatch(
            f"expected a patch of at most {PATCH_BYTES_MAX} bytes, found {size}: make the change in parts"
        )
    return _Reader(text).sections()


def here_document_end(line: str) -> str | None:
    """The word that ends the here-document which a line of shell begins at its end; None if it begins none."""
    _, begins, word = line.rpartition("<<")
    word = word.removeprefix("-").strip()
    for quote in ("'", '"'):
        if len(word) > 2 and word.startswith(quote) and word.endswith(quote):
            word = word[1:-1]
    return word if begins and word.isidentifier() else None


class _Reader:
    """Reads a patch line by line."""

    def __init__(self, text: str) -> None:
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        first, last = 0, len(lines)
        while first < last and not lines[first].strip():
            first += 1
        while last > first and not lines[last - 1].strip():
            last -= 1
        if last - first >= 2 and lines[last - 1].strip() == here_document_end(lines[first]):
            first, last = first + 1, last - 1
        self._lines, self._at, self._end = lines, first, last

    def sections(self) -> tuple[Section, ...]:
        """All of them. Raises: BadPatch."""
        self._expect_marker(self._at, BEGIN, "first")
        self._expect_marker(self._end - 1, END, "last")
        self._at, self._end = self._at + 1, self._end - 1
        sections: list[Section] = []
        while self._at < self._end:
            if self._lines[self._at].strip():
                sections.append(self._section())
            else:
                self._at += 1
        if not sections:
            raise BadPatch(f"expected at least one file between {BEGIN} and {END}, found none")
        return tuple(sections)

    def _expect_marker(self, at: int, marker: str, which: str) -> None:
        found = self._lines[at].strip() if self._at <= at < len(self._lines) else ""
        if found != marker:
            raise BadPatch(f"expected `{marker}` as the {which} line, found {_quoted(found)}")

    def _section(self) -> Section:
        number, header = self._at + 1, self._lines[self._at].strip()
        for marker in _HEADERS:
            path = header.removeprefix(marker).strip()
            if header.startswith(marker):
                if not path or "\0" in path:
                    raise BadPatch(f"line {number}: expected a path after `{marker}`")
                self._at += 1
                if marker == _ADD:
                    return AddFile(path, self._added())
                return DeleteFile(path) if marker == _DELETE else self._update(path, number)
        raise self._unexpected(f"one of {', '.join(f'`{marker} path`' for marker in _HEADERS)}")

    def _added(self) -> tuple[str, ...]:
        added: list[str] = []
        while self._at < self._end and not self._begins_section():
            line = self._lines[self._at]
            if line.startswith("+"):
                added.append(line[1:])
            elif line.strip():
                raise self._unexpected("a line of the new file, which begins with +")
            self._at += 1
        return tuple(added)

    def _update(self, path: str, number: int) -> UpdateFile:
        move_to = None
        if self._at < self._end and self._lines[self._at].strip().startswith(_MOVE):
            move_to = self._lines[self._at].strip().removeprefix(_MOVE).strip()
            if not move_to or "\0" in move_to:
                raise BadPatch(f"line {self._at + 1}: expected a path after `{_MOVE}`")
            self._at += 1
        hunks: list[Hunk] = []
        while self._at < self._end and not self._begins_section():
            if self._lines[self._at].strip():
                hunks.append(self._hunk())
            else:
                self._at += 1
        if not hunks and move_to is None:
            raise BadPatch(f"line {number}: expected a change of {path}, found none")
        return UpdateFile(path, tuple(hunks), move_to)

    def _hunk(self) -> Hunk:
        number, context = self._at + 1, []
        # A line of the file may begin with @@ too, as class variables of Ruby do: a blank before it says so.
        while self._at < self._end and self._lines[self._at].startswith("@@"):
            line = self._lines[self._at].strip()[2:]
            line = _NUMBERS.sub("", line.strip(), count=1) if line[:2] == " -" else line[1:]
            if line.strip():
                context.append(line)
            self._at += 1
        lines: list[Line] = []
        while self._at < self._end and not self._ends_hunk():
            lines.append(self._line())
            self._at += 1
        at_end = self._at < self._end and self._lines[self._at].strip() == _AT_END
        self._at += at_end
        # Blank lines between two hunks belong to neither.
        while lines and not at_end and lines[-1] == _BLANK and self._at < self._end:
            lines.pop()
        # Lines that only stay narrow the place of the next hunk down.
        if not lines:
            raise BadPatch(f"line {number}: expected a hunk with lines, found none")
        return Hunk(tuple(lines), tuple(context), at_end, number)

    def _line(self) -> Line:
        line = self._lines[self._at]
        match line[:1]:
            case "":
                return _BLANK
            case " " | "-" | "+" as sign:
                return Line(sign, line[1:])
            case _:
                raise self._unexpected(
                    "a line of a hunk, which begins with a blank if it stays, - if it goes or + if it comes"
                )

    def _begins_section(self) -> bool:
        return self._lines[self._at].lstrip().startswith(_HEADERS) and self._lines[self._at][
            :1
        ] not in ("+", "-")

    def _ends_hunk(self) -> bool:
        line = self._lines[self._at]
        return (
            line.startswith("@@") or (line.strip() == _AT_END and line[:1] == "*")
        ) or self._begins_section()

    def _unexpected(self, expected: str) -> BadPatch:
        found = _quoted(self._lines[self._at])
        return BadPatch(f"line {self._at + 1} of the patch: expected {expected}; found {found}")


_BLANK: Final = Line(" ", "")


def _quoted(line: str) -> str:
    shown = line if len(line) <= _QUOTED_MAX else line[:_QUOTED_MAX] + "…"
    return repr(shown)
