r"""Makes foreign text visible: control characters and invisible characters are written out.

A name, a command, an error message or a model's text must not move the cursor, recolour a line,
reverse the order of letters, or contain an invisible character. Such a character is written as
`\u{1b}`. A backslash before `u{` is drawn so too: two different texts never look alike because of an
escape. Pure, and linear in the length of the text.

Written out are: control characters (C0, DEL, C1), format characters (bidirectional, zero-width, tags, soft
hyphen), surrogates, private use, what Python's Unicode tables do not know, separators of lines and
paragraphs, every blank but the ordinary space, letters and marks that draw nothing, variation selectors,
and combining marks without a letter or in a heap, which reach into the lines around them.

Four invisible characters are kept where people type them, because without them words are misspelt and
pictures fall apart; never two in a row, so that no text can be hidden in them:
- U+200C and U+200D after a virama, and U+200C between Arabic letters (Hindi, Persian), which is nearly where
  RFC 5892 A.1 and A.2 let them into domain names;
- U+200D between two pictures (the emoji of a family);
- U+FE0E and U+FE0F after a picture.
The flags that are made of tag characters, and variants of ideographs, are written out: tags and selectors
can carry any hidden text. Letters that look like others, and letters that run from right to left, are drawn.
"""

from __future__ import annotations

import re
import unicodedata

# Tibetan and pointed Hebrew need five on one letter. More of them cover the lines above and below.
MARKS_IN_A_ROW_MAX = 6

CUT = "…"

# Letters, marks and signs that `str.isprintable` accepts and that a screen draws as nothing.
_DRAWN_AS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
_SELECTORS = "\ufe0e\ufe0f"
_JOINERS = "\u200c\u200d"
_NON_JOINER = "\u200c"
# Characters whose form depends on the next one: in a growing text they wait for it.
UNDECIDED = frozenset(_JOINERS + _SELECTORS)
_KEYCAP = "\u20e3"
_KEYS = re.compile("[#*0-9]")
# The blocks that hold the emoji of Unicode's emoji-data.txt, without the keys.
_PICTURE = re.compile(
    "[©®\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23fa\u24c2\u25aa-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_ARABIC = re.compile("[\u0620-\u065f\u066e-\u06d3\u06d5\u06ee-\u06ff\u0750-\u077f\u08a0-\u08c9]")
_VIRAMA_CLASS = 9

# Drawn as they are at the speed of a regex: ASCII, and the letters of some common scripts.
_PLAIN = (
    r"\n\t -\[\]-~\u00a1-\u00ac\u00ae-\u02ff\u0400-\u0482\u048a-\u052f\u3041-\u3096\u30a1-\u30fe"
    r"\u4e00-\u9fff\uac00-\ud7a3"
)
_TO_BE_LOOKED_AT = re.compile(rf"[^{_PLAIN}]")


def visible_line(text: str, characters_max: int) -> str:
    """The text on one line of at most `characters_max` characters, with `…` at the end if it is cut."""
    # Each character is drawn as at least one, so later characters cannot fit.
    drawn = [_drawn(text, at) for at in range(min(len(text), characters_max + 1))]
    if sum(map(len, drawn)) <= characters_max:
        return "".join(drawn)
    room = characters_max - len(CUT)
    line = ""
    for piece in drawn:
        if len(line) + len(piece) > room:
            break
        line += piece
    return line + CUT


def visible_text(text: str) -> str:
    """The text with its line breaks and tabs; every other invisible character is written out."""
    return _TO_BE_LOOKED_AT.sub(lambda found: _drawn(text, found.start()), text)


def visible_prose(text: str) -> str:
    r"""As `visible_text`, for text that is read and never run: blanks of other widths and backslashes stay.

    French, Japanese and most models write such blanks, and code is full of `\u{...}`. In prose the kind of
    blank, and the origin of an escape, do not matter. The function is idempotent.
    """

    def drawn(found: re.Match[str]) -> str:
        character = found.group()
        stays = character == "\\" or unicodedata.category(character) == "Zs"
        return character if stays else _drawn(text, found.start())

    return _TO_BE_LOOKED_AT.sub(drawn, text)


def visible_json(encoded: bytes) -> bytes:
    """The same JSON value, with every invisible character as a JSON escape."""
    text = encoded.decode(errors="replace")

    def escaped(found: re.Match[str]) -> str:
        character = found.group()
        if character == "\\" or _is_seen(text, found.start()):
            return character
        units = character.encode("utf-16-be")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return _TO_BE_LOOKED_AT.sub(escaped, text).encode()


def _drawn(text: str, at: int) -> str:
    """A character of a text, unchanged or written out."""
    character = text[at]
    looks_like_ours = character == "\\" and text.startswith("u{", at + 1)
    is_drawn = _is_seen(text, at) and not looks_like_ours
    return character if is_drawn else f"\\u{{{ord(character):x}}}"


def _is_seen(text: str, at: int) -> bool:
    """Whether a screen draws a character visibly; for some characters the neighbours decide."""
    character = text[at]
    if character in _JOINERS:
        return _joins(text, at)
    if character in _SELECTORS:
        return _selects(text, at)
    if _DRAWN_AS_NOTHING.match(character):
        return False
    if _is_mark(character):
        return _stands_on_a_letter(text, at)
    return character.isprintable()


def _joins(text: str, at: int) -> bool:
    """Whether the joiner at this position changes how its neighbours are drawn, by Unicode's tables."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if before and unicodedata.combining(before) == _VIRAMA_CLASS:
        return True
    if text[at] == _NON_JOINER:
        return _is_in(_ARABIC, before) and _is_in(_ARABIC, after)
    if before and before in _SELECTORS:
        before = text[at - 2 : at - 1]
    return _is_in(_PICTURE, before) and _is_in(_PICTURE, after)


def _selects(text: str, at: int) -> bool:
    """Whether the selector at this position follows a picture, or a key that becomes a keycap."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    return _is_in(_PICTURE, before) or (after == _KEYCAP and _is_in(_KEYS, before))


def _stands_on_a_letter(text: str, at: int) -> bool:
    """Whether a combining mark follows a visible letter, with not too many marks between."""
    for base in reversed(text[max(at - MARKS_IN_A_ROW_MAX, 0) : at]):
        if not _is_mark(base):
            return base.isprintable() and base != " " and not _DRAWN_AS_NOTHING.match(base)
    return False


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me")


def _is_in(letters: re.Pattern[str], character: str) -> bool:
    return letters.match(character) is not None and character.isprintable()
