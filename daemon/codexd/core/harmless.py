"""Which shell lines are known to only read: those need not be asked about under the policy "untrusted".

What is not understood is not harmless. A line is words joined by `&&`, `||`, `;` and `|`, each part a
program from the table in `readers.py` with options that the table lists. Any redirection, substitution,
variable, grouping, comment, background job, assignment or control character makes a line unknown.
"""

from __future__ import annotations

import re

from codexd.core.readers import READERS, Word

LINE_CHARS_MAX = 4000  # nobody reads a longer line as one; a person decides

_JOINTS = ("&&", "||", ";", "|")
# What stands for itself outside of quotes, in every POSIX shell and in zsh.
_PLAIN = re.compile(r"[A-Za-z0-9_./,:@%+=~^!*?\[\]-]", re.ASCII)
_BLANK = " \t"


class _NotUnderstood(Exception):
    """The line holds something that a reader of words and joints does not know."""


def harmless(command: str) -> bool:
    """Whether every part of a shell line is known to only read."""
    return harmless_programs(command) is not None


def harmless_programs(command: str) -> frozenset[str] | None:
    """The programs that a harmless line runs; None for a line that is not known to be harmless."""
    try:
        parts = _parts(command)
    except _NotUnderstood:
        return None
    if all(_reads(part) for part in parts):
        return frozenset(part[0].text for part in parts)
    return None


def _reads(part: tuple[Word, ...]) -> bool:
    reads = READERS.get(part[0].text)
    return reads is not None and reads(part[1:])


def _parts(line: str) -> list[tuple[Word, ...]]:
    """The simple commands of a line, each with one word at least. Raises: _NotUnderstood."""
    if len(line) > LINE_CHARS_MAX or any((c < " " and c != "\t") or c == "\x7f" for c in line):
        raise _NotUnderstood
    parts: list[tuple[Word, ...]] = []
    words: list[Word] = []
    at = 0
    while at < len(line):
        joint = next((joint for joint in _JOINTS if line.startswith(joint, at)), None)
        if line[at] in _BLANK:
            at += 1
        elif joint is None:
            word, at = _word(line, at)
            words.append(word)
        else:
            parts.append(tuple(words))
            words = []
            at += len(joint)
    parts.append(tuple(words))
    if not all(
        parts
    ):  # a joint that joins nothing; `;;` and `|` after a joint are of this kind too
        raise _NotUnderstood
    return parts


def _word(line: str, at: int) -> tuple[Word, int]:
    """The word that begins at a place, without its quotes, and where it ends."""
    start, text = at, ""
    pattern: int | None = None
    while at < len(line) and line[at] not in _BLANK and line[at] not in ";|&":
        if line[at] in "*?[" and pattern is None:
            pattern = len(text)
        piece, at = _piece(line, at)
        text += piece
    if at == start:
        raise _NotUnderstood  # a lone `&`
    return Word(text=text, pattern_at=pattern), at


def _piece(line: str, at: int) -> tuple[str, int]:
    """One quoted stretch, one escaped character or one plain one, and where it ends."""
    if line[at] == "'":
        end = line.find("'", at + 1)
        if end < 0:
            raise _NotUnderstood
        return line[at + 1 : end], end + 1
    if line[at] == '"':
        return _double_quoted(line, at + 1)
    if line[at] == "\\" and at + 1 < len(line):
        return line[at + 1], at + 2
    if _PLAIN.match(line, at):
        return line[at], at + 1
    raise _NotUnderstood


def _double_quoted(line: str, at: int) -> tuple[str, int]:
    text = ""
    while at < len(line) and line[at] != '"':
        if line[at] in "$`":
            raise _NotUnderstood
        if line[at] == "\\" and line[at + 1 : at + 2] in ("$", "`", '"', "\\"):
            at += 1
        text += line[at]
        at += 1
    if at == len(line):
        raise _NotUnderstood
    return text, at + 1
