"""An argv as a shell line: exact, and without characters that a screen would hide or obey. Pure."""

from __future__ import annotations

import shlex

from codexd.protocol.display.visible import visible_line, visible_text

# More than one character is ever written out as.
_WRITTEN_OUT_MAX = 16


def quoted(argv: tuple[str, ...]) -> str:
    r"""The words, quoted as a POSIX shell reads them; what is not seen as `$'\u200b'`, as bash does."""
    return " ".join([_word(word) for word in argv])


def _word(word: str) -> str:
    if visible_text(word) == word:
        return shlex.quote(word)
    return "$'" + "".join([_escaped(character) for character in word]) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return "\\" + character
    if character in "\n\t" or visible_line(character, _WRITTEN_OUT_MAX) == character:
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}"
        if code < 0x80
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
