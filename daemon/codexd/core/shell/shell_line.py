"""Parses a shell line into its simple commands; a line with any other syntax is unknown.

The accepted syntax means the same in every shell that commands run in (sh, dash, ash, bash, ksh, mksh, zsh): words,
quotes, `&&`, `||`, `;`, `|`, a leading `!`, input from a file, and output to /dev/null or to the other
stream. Any other redirection, substitution, variable, grouping, comment, background job, assignment or
control character makes the line unknown.
"""

from __future__ import annotations

import re

import msgspec

LINE_CHARS_MAX = 4000  # longer lines are left to a person

_JOINTS = ("&&", "||", ";", "|")
# Characters without a special meaning outside of quotes, in every POSIX shell and in zsh.
_PLAIN = re.compile(r"[A-Za-z0-9_./,:@%+=~^!*?\[\]-]", re.ASCII)
_PATTERN = "*?[^"  # zsh reads `^` so where EXTENDED_GLOB is set
_BLANK = " \t"
_WORD_ENDS = " \t;|&<>"

# Streams that are discarded or joined. The digit counts as a stream's number only where a word could begin,
# and more than one digit is a word in dash. `>&2` must end there: `>&2x` writes a file. For dash `a &>/dev/null
# b` is two commands, so nothing may follow `&>/dev/null` but a joint.
_DISCARDS = re.compile(
    r"(?:[012]?>>?[ \t]*/dev/null|[12]?>&[12])(?=[ \t;|&]|$)"
    r"|&>>?[ \t]*/dev/null(?=[ \t]*(?:[;|&]|$))"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_INPUT = re.compile(r"0?<[ \t]*(?![<>&(\s])")
# The last exit code, which is always digits.
_EXIT_CODE = re.compile(r"\$\?(?!\[)")  # zsh evaluates a subscript


class NotUnderstood(Exception):
    """The line has syntax that this parser does not accept; the message says which."""


def _unread(line: str, at: int) -> NotUnderstood:
    found = f"`{line[at]}` at character {at + 1}" if at < len(line) else "the end of the line"
    return NotUnderstood(f"{found} may mean more than a word")


class Word(msgspec.Struct, frozen=True):
    """A word of a shell line, without its quotes."""

    text: str
    pattern_at: int | None = None  # the index of its first unquoted pattern character
    quoted: bool = False  # whether any part was quoted or escaped
    computed: bool = False  # whether `$?` is in it, which is read as 0


class SimpleCommand(msgspec.Struct, frozen=True):
    """A program with its arguments and input files."""

    words: tuple[Word, ...]
    inputs: tuple[Word, ...] = ()


def simple_commands(line: str) -> list[SimpleCommand]:
    """The simple commands of a line, each with one word at least. Raises: NotUnderstood."""
    if len(line) > LINE_CHARS_MAX:
        raise NotUnderstood(f"it is longer than {LINE_CHARS_MAX} characters")
    if (control := _CONTROL.search(line)) is not None:
        raise NotUnderstood(
            f"character {control.start() + 1} is a control character or a line break"
        )
    commands: list[SimpleCommand] = []
    words: list[Word] = []
    inputs: list[Word] = []
    at = 0
    while at < len(line):
        joint = next((joint for joint in _JOINTS if line.startswith(joint, at)), None)
        if line[at] in _BLANK:
            at += 1
        elif (discarded := _DISCARDS.match(line, at)) is not None:
            at = discarded.end()
        elif joint is not None:
            commands.append(_command(words, inputs))
            words, inputs = [], []
            at += len(joint)
        elif (source := _INPUT.match(line, at)) is not None:
            word, at = _word(line, source.end())
            inputs.append(word)
        else:
            word, at = _word(line, at)
            words.append(word)
    commands.append(_command(words, inputs))
    return commands


def _command(words: list[Word], inputs: list[Word]) -> SimpleCommand:
    """One simple command; the `!` before it only turns its exit code around. Raises: NotUnderstood."""
    if words and words[0].text == "!" and not words[0].quoted:
        words = words[1:]
    if not words:  # `;;`, a `|` after a joint, or a redirection alone, for which zsh runs a pager
        raise NotUnderstood("a part of it has no command")
    if any(input_.pattern_at is not None or not input_.text for input_ in inputs):
        # A pattern may stand for several files.
        raise NotUnderstood("a file that it reads by `<` is not named exactly")
    return SimpleCommand(tuple(words), tuple(inputs))


def _word(line: str, at: int) -> tuple[Word, int]:
    """The word that begins at a position, without its quotes, and its end."""
    start, text, quoted, computed = at, "", False, False
    pattern: int | None = None
    while at < len(line) and line[at] not in _WORD_ENDS:
        if line[at] in _PATTERN and pattern is None:
            pattern = len(text)
        quoted = quoted or line[at] in "'\"\\"
        begin = at
        piece, at = _piece(line, at)
        computed = computed or "$?" in line[begin:at]
        text += piece
    if at == start or line[at : at + 1] in ("<", ">"):
        # A lone `&`; or a redirection that touches a word, whose end shells read differently.
        raise _unread(line, at)
    return Word(text, pattern, quoted, computed), at


def _piece(line: str, at: int) -> tuple[str, int]:
    """A quoted part, an escaped character or a plain character, and its end."""
    if line[at] == "'":
        end = line.find("'", at + 1)
        if end < 0:
            raise NotUnderstood(f"the quote at character {at + 1} has no end")
        return line[at + 1 : end], end + 1
    if line[at] == '"':
        return _double_quoted(line, at + 1)
    if line[at] == "\\" and at + 1 < len(line):
        return line[at + 1], at + 2
    if _PLAIN.match(line, at):
        return line[at], at + 1
    if line.startswith("{}", at):  # what xargs and find put names in place of; no shell expands it
        return "{}", at + 2
    if _EXIT_CODE.match(line, at):
        return "0", at + 2
    raise _unread(line, at)


def _double_quoted(line: str, at: int) -> tuple[str, int]:
    text = ""
    while at < len(line) and line[at] != '"':
        if _EXIT_CODE.match(line, at):
            text, at = text + "0", at + 2
            continue
        if line[at] in "$`":
            raise _unread(line, at)
        if line[at] == "\\" and line[at + 1 : at + 2] in ("$", "`", '"', "\\"):
            at += 1
        text += line[at]
        at += 1
    if at == len(line):
        raise NotUnderstood("a quote has no end")
    return text, at + 1
