"""What the rules of people say about a shell line: each of its simple commands is judged for itself.

Law: a line that `shell_line.py` does not understand is never allowed by a rule, and neither is a simple command
that reads a file by redirection, sets a variable or belongs to a loop or a condition.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from codexd.core.rules.prefix_rules import PrefixRule, PrefixRules, strictest
from codexd.core.shell.shell_line import NotUnderstood, SimpleCommand, Word, simple_commands

# Words that the shells' languages have where a command begins: the command comes after them, or there is none.
_RESERVED: Final = frozenset(
    [
        "!",
        "{",
        "}",
        "case",
        "coproc",
        "do",
        "done",
        "elif",
        "else",
        "end",
        "esac",
        "fi",
        "for",
        "foreach",
        "function",
        "if",
        "in",
        "nocorrect",
        "noglob",
        "repeat",
        "select",
        "then",
        "time",
        "until",
        "while",
        "-",
    ]
)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[.*\])?\+?=", re.ASCII | re.DOTALL)


class RuledCommand(msgspec.Struct, frozen=True):
    """A simple command with the rules that match it."""

    command: SimpleCommand
    words: tuple[str, ...]  # without reserved words and assignments before it
    rule: PrefixRule | None  # the strictest
    is_plain: bool  # whether a rule may allow it

    @property
    def is_allowed(self) -> bool:
        return self.is_plain and self.rule is not None and self.rule.decision == "allow"


class RuledLine(msgspec.Struct, frozen=True):
    """A line as the rules see it."""

    commands: tuple[RuledCommand, ...] = ()  # none: it is not understood, or there are no rules
    # The strictest rule, other than one that allows, for a command that a line may hold which is not understood.
    possible: PrefixRule | None = None

    @property
    def rule(self) -> PrefixRule | None:
        """The strictest rule for any of its commands; None if there is none, or if it only allows."""
        found = strictest([part.rule for part in self.commands if part.rule is not None])
        return found if found is not None and found.decision != "allow" else None

    @property
    def is_allowed(self) -> bool:
        """Whether the rules allow all of its commands."""
        return bool(self.commands) and all(part.is_allowed for part in self.commands)

    @property
    def is_touched(self) -> bool:
        """Whether the rules allow any of its commands."""
        return any(part.is_allowed for part in self.commands)

    @property
    def rest(self) -> tuple[RuledCommand, ...]:
        """The commands that no rule allows."""
        return tuple([part for part in self.commands if not part.is_allowed])


_UNRULED: Final = RuledLine()
# Without them a word reads as a shell has it: of `r"m"`, `rm`.
_QUOTING: Final = str.maketrans("", "", "'\"\\")
# Where a command begins with what a shell computes, it may be any command.
_COMPUTED: Final = re.compile(
    r"(?:^|[;&|(){\n`]|\b(?:do|then|else|elif|if|while|until|exec|eval)\b)[ \t]{0,200}[\"']?[$`]|\beval\b"
)
_UNKNOWN: Final = "\0"  # no word of a line, and none of a rule


def ruled(line: str, rules: PrefixRules) -> RuledLine:
    """The line with the rules for its commands; nothing of it where there are no rules."""
    return parts_of(line, rules) if rules.rules else _UNRULED


def parts_of(line: str, rules: PrefixRules) -> RuledLine:
    """The commands of a line, with the rules for each; none if the line is not understood."""
    try:
        return RuledLine(tuple([_ruled_command(part, rules) for part in simple_commands(line)]))
    except NotUnderstood:
        strict = [rule for rule in rules.rules if rule.decision != "allow"]
        if strict and not _COMPUTED.search(line):
            plain = line.translate(_QUOTING)
            strict = [rule for rule in strict if _may_begin(rule, plain)]
        return RuledLine(possible=strictest(strict))


def _may_begin(rule: PrefixRule, text: str) -> bool:
    """Whether the words of a rule stand in a text, in their order."""
    at = 0
    for possible in rule.pattern:
        found = [place for word in possible if (place := _find_word(word, text, at)) >= 0]
        if not found:
            return False
        at = min(found) + 1
    return True


def _find_word(word: str, text: str, begin: int) -> int:
    """Where a word stands in a text; after a slash it is the name of a program in a folder."""
    at = text.find(word, begin)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(word) : at + len(word) + 1]
        if not _in_word(before) and not _in_word(after):
            return at
        at = text.find(word, at + 1)
    return -1


def _in_word(character: str) -> bool:
    return character.isalnum() or character in ("_", "-")


def _ruled_command(part: SimpleCommand, rules: PrefixRules) -> RuledCommand:
    words, plain = _exact_words(part)
    rule = strictest(rules.matching(words)) if words else None
    return RuledCommand(part, words, rule, plain)


def _exact_words(part: SimpleCommand) -> tuple[tuple[str, ...], bool]:
    """The words of a simple command from its program on, and whether a rule may allow it."""
    words = tuple([_exact(word) for word in part.words])
    # Quoted they are programs of that name; no rule allows those.
    at = 0
    while at < len(words) and (words[at] in _RESERVED or _ASSIGNMENT.match(words[at])):
        at += 1
    plain = at == 0 and not part.inputs and words[0] not in ("", _UNKNOWN)
    return words[at:], plain


def _exact(word: Word) -> str:
    # A pattern may stand for any names of files, and `$?` for any number.
    return _UNKNOWN if word.pattern_at is not None or word.computed else word.text
