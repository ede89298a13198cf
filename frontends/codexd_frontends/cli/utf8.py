"""Text from a person: the command line, stdin, typed lines. Text is UTF-8, or it is refused. Pure."""

from __future__ import annotations

import argparse
import codecs
import os

from codexd_frontends.client.errors import UsageError

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_of(found: bytes, what: str) -> str:
    """The text in bytes, without a byte order mark; UTF-16 only where its mark says so. Raises: UsageError."""
    if found.startswith(UTF16_MARKS):
        return _decoded(found, what, "utf-16", "UTF-16, as its mark says")
    # Windows writes a mark before texts in UTF-8 too, which is not part of a text.
    return _decoded(found, what, "utf-8-sig", "UTF-8")


def typed_text(typed: bytes) -> str:
    """The text that was typed or pasted on a terminal. Raises: UsageError."""
    return _decoded(typed, "what is typed", "utf-8-sig", "UTF-8").replace("\r", "")


def _decoded(found: bytes, what: str, encoding: str, wanted: str) -> str:
    try:
        text = found.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"expected {what} to be {wanted}, found byte 0x{found[error.start]:02x} at {error.start}; "
            "nothing was done"
        ) from error
    if "\0" in text:  # No text has it: it is UTF-16 or UTF-32 without its mark, or no text at all.
        raise UsageError(
            f"expected {what} to be {wanted}, found a zero at character {text.index(chr(0))}; nothing was done"
        )
    return text


def read_words(arguments: argparse.Namespace) -> None:
    """Read the arguments of a command line as UTF-8, in any locale; an empty one is refused. Raises: UsageError."""
    for name, value in list(vars(arguments).items()):
        if isinstance(value, str):
            setattr(arguments, name, _word(name, value))
        elif isinstance(value, list):
            read = [_word(name, part) if isinstance(part, str) else part for part in value]
            setattr(arguments, name, read)


def _word(name: str, word: str) -> str:
    # Mostly a shell variable that is not set: the default is not what was meant.
    if not word and name != "prompt":
        raise UsageError(
            f"expected a value for {name.upper()}, found an empty word; nothing was done"
        )
    return word if word.isascii() else text_of(os.fsencode(word), "the words of the command line")
