"""A text of TOML as a table: TOML 1.1, as Codex reads it. Pure.

Python's library knows TOML 1.0: what is new is spelled as in 1.0 before. It is, by toml.io/en/v1.1.0: line ends, comments and
a last comma within an inline table, and two escapes of strings. Times without seconds are not read; no key is a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

# A string or a comment of TOML, complete or up to the end of the text; linear, since every repeat is possessive.
_TEXT: Final = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?|'''
    r"""'''(?:[^']|'(?!''))*+(?:''')?|"""
    r""""(?:[^"\\\n]|\\.)*+"?|"""
    r"""'[^'\n]*+'?|#[^\n]*+""",
    re.DOTALL,
)
_PLAIN: Final = re.compile(r"""[^"'#\[\]{},\n]++""")
_ESCAPE: Final = re.compile(r"\\(?:e|x([0-9A-Fa-f]{2})|.)", re.DOTALL)


def toml_table(text: str) -> dict[str, Any]:
    """The table of a text. Lines in an error are those of the text. Raises: tomllib.TOMLDecodeError, RecursionError."""
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        older = as_toml_1_0(text)
        if older == text:
            raise
        return tomllib.loads(older)


def without_texts(text: str) -> str:
    """The text without its strings and comments. Line ends in them are kept, so that lines keep their numbers."""
    return _TEXT.sub(lambda found: "\n" * found[0].count("\n"), text)


def as_toml_1_0(text: str) -> str:
    """The text without what only TOML 1.1 has. Line ends of an inline table come after its end, so that all that follows
    keeps its line.
    """
    out: list[str] = []
    brackets: list[str] = []  # those that are open
    line_ends = 0  # of the inline tables that are open
    comma = (
        -1
    )  # where in `out` a comma of an inline table is, if nothing but white space has followed
    for piece in _pieces(text):
        within = brackets[-1:] == ["{"]
        if within and (piece == "\n" or piece.startswith("#")):
            line_ends += piece == "\n"
            out.append(" ")
            continue
        if piece in "{[":
            brackets.append(piece)
        elif piece in "}]" and brackets and brackets.pop() == "{" and comma >= 0:
            out[comma] = ""
        # A line end of Windows is two characters, of which the first stays otherwise.
        out.append(piece.rstrip("\r") if within else piece)
        if piece == "," and within:
            comma = len(out) - 1
        elif piece.strip():
            comma = -1
        if piece == "}" and "{" not in brackets:
            out.append("\n" * line_ends)
            line_ends = 0
    return "".join(out)


def _pieces(text: str) -> Iterator[str]:
    """The strings, comments and marks of a text, and what is between them."""
    at = 0
    while at < len(text):
        found = _PLAIN.match(text, at) or _TEXT.match(text, at)
        piece = found[0] if found else text[at]
        at += len(piece)
        yield _with_older_escapes(piece) if piece.startswith('"') else piece


def _with_older_escapes(string: str) -> str:
    return _ESCAPE.sub(_older_escape, string) if "\\" in string else string


def _older_escape(found: re.Match[str]) -> str:
    if found[0] == "\\e":
        return "\\u001b"
    return f"\\u00{found[1]}" if found[1] else found[0]
