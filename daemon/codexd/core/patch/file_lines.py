"""The lines of a file with their ends, so that what a patch does not touch comes back byte for byte."""

from __future__ import annotations

from typing import Literal

import msgspec

_MARK = "\ufeff"
End = Literal["\n", "\r\n", ""]


class FileLines(msgspec.Struct, frozen=True):
    """A file's text, line by line."""

    texts: list[str]  # without their ends; bytes that are not UTF-8 are lone surrogates
    ends: list[End]  # as long; only the last may be empty
    marked: bool = False  # a byte order mark comes first

    @property
    def usual_end(self) -> End:
        """The end that most lines have: that of new lines."""
        return "\r\n" if 2 * self.ends.count("\r\n") > len(self.ends) else "\n"

    @property
    def is_unfinished(self) -> bool:
        """Whether the last line has no end."""
        return bool(self.ends) and self.ends[-1] == ""

    def encoded(self) -> bytes:
        """The file."""
        text = "".join([part for line in zip(self.texts, self.ends, strict=True) for part in line])
        return (_MARK * self.marked + text).encode(errors="surrogateescape")


def file_lines(content: bytes) -> FileLines:
    """The lines of a file."""
    text = content.decode(errors="surrogateescape")
    marked = text.startswith(_MARK)
    pieces = text.removeprefix(_MARK).split("\n")
    texts: list[str] = []
    ends: list[End] = []
    for piece in pieces[:-1]:
        texts.append(piece.removesuffix("\r"))
        ends.append("\r\n" if piece.endswith("\r") else "\n")
    if pieces[-1]:
        texts.append(pieces[-1])
        ends.append("")
    return FileLines(texts, ends, marked)


def new_file(lines: tuple[str, ...]) -> FileLines:
    """A new file with these lines."""
    return FileLines(list(lines), ["\n"] * len(lines))
