"""Rules for the beginnings of commands: which commands may run, which are asked about, which are refused.

The syntax and the meaning are those of the `.rules` files of Codex (codex-rs/execpolicy), except that a rule which
allows `git` does not allow `/tmp/git`: a path is allowed by its own rule, or by a `host_executable` that lists it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from codexd.core.values.settings import Notice

RuleDecision = Literal["allow", "prompt", "forbidden"]
# From the mildest on: of all rules that match, the strictest counts.
_STRICTNESS: Final[tuple[RuleDecision, ...]] = ("allow", "prompt", "forbidden")


class PrefixRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for all commands that begin with certain words."""

    pattern: tuple[tuple[str, ...], ...]  # the words that are possible at each place; never empty
    decision: RuleDecision = "allow"
    justification: str | None = None
    file: str = ""
    line: int = 0  # from 1 on; 0: it is in no file

    def matches(self, words: tuple[str, ...]) -> bool:
        """Whether a command begins with the words of the rule."""
        return len(words) >= len(self.pattern) and all(
            word in possible for word, possible in zip(words, self.pattern, strict=False)
        )

    @property
    def prefix(self) -> str:
        """The words of the rule, for people: `git push|pull`."""
        return " ".join("|".join(possible) for possible in self.pattern)

    @property
    def place(self) -> str:
        """The file and line of the rule."""
        return f"{self.file}:{self.line}"


class RuleProblem(msgspec.Struct, frozen=True):
    """A file of rules that cannot be used."""

    file: str
    message: str  # what was expected and found, and which rules are in force instead
    line: int = 0  # from 1 on; 0: the whole file


class PrefixRules(msgspec.Struct, frozen=True):
    """The rules in force."""

    rules: tuple[PrefixRule, ...] = ()
    # By the name of a program: the paths at which it is the program that the rules mean.
    executables: Mapping[str, frozenset[str]] = MappingProxyType({})
    problems: tuple[RuleProblem, ...] = ()
    # The rules by the name of the program, without its folder.
    by_program: Mapping[str, tuple[PrefixRule, ...]] = MappingProxyType({})

    def matching(self, words: tuple[str, ...]) -> tuple[PrefixRule, ...]:
        """The rules for a command."""
        program, arguments = words[0], words[1:]
        name = base_name(program)
        found = []
        for rule in self.by_program.get(name, ()):
            by_name = (
                program != name and self._means(program, rule) and rule.matches((name, *arguments))
            )
            if by_name or rule.matches(words):
                found.append(rule)
        return tuple(found)

    def _means(self, path: str, rule: PrefixRule) -> bool:
        """Whether a rule for a name is for the program at this path."""
        return rule.decision != "allow" or path in self.executables.get(base_name(path), ())


NO_RULES: Final = PrefixRules()


def complaints_about(rules: PrefixRules) -> tuple[Notice, ...]:
    """What people are told once in a thread of the files that cannot be used."""
    return tuple([_complaint(problem) for problem in rules.problems])


def _complaint(problem: RuleProblem) -> Notice:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    return Notice(
        f"rules:{place}:{problem.message}", f"The rules for commands in {place}: {problem.message}."
    )


def rules_of(
    rules: Iterable[PrefixRule],
    executables: Mapping[str, frozenset[str]] = MappingProxyType({}),
    problems: Iterable[RuleProblem] = (),
) -> PrefixRules:
    """These rules, so that those for a program are found at once."""
    kept = tuple(rules)
    by_program: dict[str, dict[PrefixRule, None]] = {}
    for rule in kept:
        for program in rule.pattern[0]:
            by_program.setdefault(base_name(program), {})[rule] = None
    found = {name: tuple(for_name) for name, for_name in by_program.items()}
    return PrefixRules(kept, executables, tuple(problems), found)


def strictest(rules: Iterable[PrefixRule]) -> PrefixRule | None:
    """The rule that counts; of equally strict rules the longest, and of those the first."""
    return max(
        rules,
        key=lambda rule: (_STRICTNESS.index(rule.decision), len(rule.pattern)),
        default=None,
    )


def base_name(program: str) -> str:
    """The name of a program without its folder."""
    return program.rpartition("/")[2] or program
