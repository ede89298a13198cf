"""One argument of a subcommand, and how its numbers are read."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

ALL_TURNS = "all"


class Argument:
    """One argument of a subcommand, as argparse takes it."""

    def __init__(self, *names: str, group: str | None = None, **options: Any) -> None:
        self.names = names
        self.group = group  # arguments of one group exclude each other
        self.options = options

    @property
    def takes_value(self) -> bool:
        """Whether it is an option with a value."""
        return self.names[0].startswith("-") and self.options.get("action") in (None, "append")

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        if self.group is None:
            parser.add_argument(*self.names, **self.options)
        else:
            _group(parser, self.group).add_argument(*self.names, **self.options)


def _group(parser: argparse.ArgumentParser, name: str) -> Any:
    groups: dict[str, Any] = parser.__dict__.setdefault("groups_by_name", {})
    if name not in groups:
        groups[name] = parser.add_mutually_exclusive_group()
    return groups[name]


def options_first(
    words: Sequence[str], arguments: Iterable[Argument], shared: Iterable[str] = ()
) -> list[str]:
    """The words with all options in front, each in one word with its value, and the others after `--`.

    argparse gives up at an option that stands between two positional words.
    """
    valued = {name for one in arguments if one.takes_value for name in one.names} | {*shared}
    options: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            others += rest
        elif word == "-" or not word.startswith("-"):
            others.append(word)
        elif word not in valued:
            options.append(word)
        elif (value := next(rest, None)) is None:
            options.append(word)  # argparse says what is missing.
        else:
            options.append(f"{word}={value}" if word.startswith("--") else word + value)
    return [*options, "--", *others] if others else options


# Longer numbers than any count, and Python reads none of more than 4,300 digits.
DIGITS_MAX = 30


def count(text: str, least: int = 0) -> int:
    """A number from `least` on."""
    is_number = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    if not is_number or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a number from {least} on, found {text!r}")
    return int(text)


def limit(text: str) -> int:
    """A number from 1 on."""
    return count(text, 1)


def count_or_all(text: str) -> int | None:
    """A number from 0 on; None for all."""
    return None if text == ALL_TURNS else count(text)
