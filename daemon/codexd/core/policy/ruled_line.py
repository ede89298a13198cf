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
_UNKNOWN: Final = "\0"  # no word of a line, and none of a rule


def ruled(line: str, rules: PrefixRules) -> RuledLine:
    """The line with the rules for its commands; nothing of it where there are no rules."""
    return parts_of(line, rules) if rules.rules else _UNRULED


def parts_of(line: str, rules: PrefixRules) -> RuledLine:
    """The commands of a line, with the rules for each; none if the line is not understood."""
    try:
        return RuledLine(tuple([_ruled_command(part, rules) for part in simple_commands(line)]))
    except NotUnderstood:
        return _UNRULED


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
