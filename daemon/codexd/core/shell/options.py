"""The options with which a program only reads, and how options and operands are distinguished.

Every word that begins with `-` must be a known option, at any position, so that no option can hide as the value
of another. `--` ends the options: the words after it are operands. Long options must be spelled out, since GNU
accepts any unique prefix. No word may begin with a file
pattern, since a file's name may begin with `-`, and no option may contain a pattern, since the names of the
folder's files replace it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from codexd.core.shell.shell_line import Word

Words = tuple[Word, ...]
Reader = Callable[[Words], bool]  # whether a program with these arguments only reads


class Options(msgspec.Struct, frozen=True):
    """The options with which a program only reads."""

    short: str = ""  # letters, alone or together: -n, -nr
    valued: str = ""  # letters whose value may follow at once: -k2, -t,
    long: frozenset[str] = frozenset()  # without the dashes; a value may follow after `=`

    def all_known(self, words: Words) -> bool:
        """Whether no word is, or may expand to, an option that is not listed here."""
        return all(self._knows(word) for word in words)

    def _knows(self, word: Word) -> bool:
        if word.pattern_at == 0:
            return False
        if not word.text.startswith("-") or word.text in ("-", "--"):
            return True
        if word.pattern_at is not None:
            return False
        if word.text.startswith("--"):
            return word.text[2:].partition("=")[0] in self.long
        for letter in word.text[1:]:
            if letter in self.valued:
                return True
            if letter not in self.short:
                return False
        return True


def options(short: str = "", valued: str = "", long: str = "") -> Options:
    """Options, the long ones as words of a text."""
    return Options(short, valued, words_of(long))


def words_of(text: str) -> frozenset[str]:
    """The words of a table."""
    return frozenset(text.split())


def exactly(*arguments: str) -> Reader:
    """Reads with one of these lists of arguments and with no others."""
    allowed = [line.split() for line in arguments]
    return lambda words: [word.text for word in words] in allowed


def before_the_end(words: Words) -> Words:
    """The words before `--`."""
    texts = [word.text for word in words]
    return words[: texts.index("--")] if "--" in texts else words


def operands(words: Words) -> Words:
    """The words that are not options: all after `--`, and those before it that do not begin with `-`."""
    before = before_the_end(words)
    named = tuple(word for word in before if not word.text.startswith("-") or word.text == "-")
    return named + words[len(before) + 1 :]
