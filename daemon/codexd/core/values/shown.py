"""The part of a setting that may be shown, without a secret in place of a name or in an address."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

REDACTED: Final = "[redacted]"
# The longest names of variables in use have some forty characters.
VARIABLE_CHARACTERS_MAX: Final = 64
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+", re.ASCII)
# A name has words with few digits; keys mix letters and digits.
_WORD_CHARACTERS_MAX: Final = 24
_DIGITS_MAX: Final = 4
_DIGITS_WITHIN: Final = re.compile(r"[A-Za-z][0-9]{1,9}[A-Za-z]")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}|")


def shown_variable(name: str) -> str:
    """The name of an environment variable; a value that is no name may be the key itself, and is not shown."""
    return name if is_variable(name) else REDACTED


def is_variable(name: str) -> bool:
    """Whether a text looks like the name of a variable, and not like a key."""
    if len(name) > VARIABLE_CHARACTERS_MAX or _VARIABLE.fullmatch(name) is None:
        return False
    words = name.split("_")
    if any(_is_mixed(word) or len(word) > _WORD_CHARACTERS_MAX for word in words):
        return False
    return sum(letter.isdigit() for letter in name) <= _DIGITS_MAX


def shown_url(url: str) -> str:
    """An address without user, password, query and fragment."""
    scheme, slashes, rest = url.rpartition("://") if "://" in url else ("", "", url)
    path_at = min((at for sign in "/?#\\" if (at := rest.find(sign)) >= 0), default=len(rest))
    who, at_sign, host = rest[:path_at].rpartition("@")
    path = rest[path_at:]
    if "@" in path:  # such as a password with a slash in it
        return REDACTED
    end = min((at for sign in "?#" if (at := path.find(sign)) >= 0), default=len(path))
    shown = f"{REDACTED}@{host}" if who or at_sign else host
    query = path[end : end + 1] + REDACTED if end < len(path) else ""
    scheme = scheme if _SCHEME.fullmatch(scheme) else REDACTED
    return f"{scheme}{slashes}{shown}{path[:end]}{query}"


def _is_mixed(word: str) -> bool:
    """Whether a word has a capital after a small letter more than once, or digits between letters."""
    turns = sum(letter.islower() and other.isupper() for letter, other in pairwise(word))
    return turns > 3 or (len(word) > 8 and _DIGITS_WITHIN.search(word) is not None)
