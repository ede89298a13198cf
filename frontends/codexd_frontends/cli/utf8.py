"""Text from a person: the command line, and stdin. Text is UTF-8, or it is refused. Pure."""

from __future__ import annotations

import argparse
import codecs
import os

from codexd_frontends.client.errors import UsageError

# Windows writes it before texts, and it is not part of a text.
UTF8_MARK = codecs.BOM_UTF8
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Arguments whose words are not text for the daemon: the name of a socket may be any bytes.
NOT_READ = frozenset({"socket"})


def text_of(found: bytes, what: str) -> str:
    """The text in bytes, without a byte order mark; UTF-16 only where its mark says so. Raises: UsageError."""
    encoding = "utf-16" if found.startswith(UTF16_MARKS) else "utf-8-sig"
    try:
        return found.decode(encoding)
    except UnicodeDecodeError as error:
        wanted = "UTF-16, as its mark says" if encoding == "utf-16" else "UTF-8"
        raise UsageError(
            f"expected {what} to be {wanted}, found byte 0x{found[error.start]:02x} at {error.start}; "
            "nothing was done"
        ) from error


def read_words(arguments: argparse.Namespace) -> None:
    """Read the arguments of a command line as UTF-8, in any locale. Raises: UsageError."""
    for name, value in list(vars(arguments).items()):
        if name in NOT_READ:
            continue
        if isinstance(value, str):
            setattr(arguments, name, _word(value))
        elif isinstance(value, list):
            read = [_word(part) if isinstance(part, str) else part for part in value]
            setattr(arguments, name, read)


def _word(word: str) -> str:
    return word if word.isascii() else text_of(os.fsencode(word), "the words of the command line")
