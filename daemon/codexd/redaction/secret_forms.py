"""All encoded forms of a known secret, and one pass that searches for any of them.

The pass is a regular expression. Each of its alternatives begins with a rare character, so that most texts
are scanned once, without a match.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

# Nesting of JSON strings: a command in the arguments of a call in an item.
LEVELS = 3
# The characters of program text and prose, the rarest first; characters that are not listed are rarer.
RARE_FIRST = "QZXJKYVWqzGHBUO@~^#%&$!?+*=|<>`MNDFLPCRSAITEjx9876543k210;{}[]()_vwybgpf-/.,':umcdhlnsriatoe \\\"n"


def forms_of(secret: str) -> tuple[bytes, ...]:
    """The secret unchanged, URL-encoded, in base64, and escaped in JSON; the longest first."""
    raw = secret.encode(errors="surrogateescape")
    encoded = base64.b64encode(raw)
    forms = {raw, quote(raw, safe="").encode(), encoded, encoded.rstrip(b"=")}
    level = {secret}
    for _ in range(LEVELS):
        level = {escaped for form in level for escaped in _escaped(form)}
        forms |= {form.encode(errors="surrogateescape") for form in level}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _escaped(text: str) -> Iterable[str]:
    try:
        yield msgspec.json.encode(text).decode()[1:-1]
    except UnicodeError:  # an environment may hold bytes that are not UTF-8
        return
    if not text.isascii():
        import json

        yield json.dumps(text)[1:-1]


def any_of(secret_forms: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """One alternation of all needles; earlier ones are preferred."""
    joined = b"|".join(re.escape(needle) for needle in secret_forms)
    return re.compile(joined) if joined else None


# Anchors that begin with a lookbehind at these letters share it, so that it runs once instead of once for each
# anchor.
_FOLLOWED: Final = {
    b"_": rb"(?=[A-Za-z0-9+/]{16})",
    b"-": rb"(?=[A-Za-z0-9_.-]{10})",
    b"=": rb"(?<=[DEGHNRSTYdeghnrsty]=)(?=[^ =>])",
}


def first_pass(secret_forms: Iterable[bytes], anchors: Sequence[bytes]) -> re.Pattern[bytes]:
    """An expression that matches every text with one of the needles or of the patterns' anchors."""
    of_patterns: dict[bytes, list[bytes]] = {}
    for anchor in anchors:
        of_patterns.setdefault(anchor[:1], []).append(anchor[1:])
    by_letter = {letter: _guarded(letter, rests) for letter, rests in of_patterns.items()}
    for needle in secret_forms:
        at = _rarest(needle, by_letter)
        rest = rb"(?<=%b)%b" % (re.escape(needle[: at + 1]), re.escape(needle[at + 1 :]))
        by_letter.setdefault(needle[at : at + 1], []).append(rest)
    # JSON may spell any letter as an escape: such an escape matches too.
    by_letter.setdefault(b"\\", []).append(rb"[u/]")
    return re.compile(
        b"|".join(
            re.escape(letter) + b"(?:" + b"|".join(rests) + b")"
            for letter, rests in by_letter.items()
        )
    )


def _guarded(letter: bytes, rests: Sequence[bytes]) -> list[bytes]:
    forward = [rest for rest in rests if not rest.startswith(b"(?")]
    backward = [rest for rest in rests if rest.startswith(b"(?")]
    if backward:
        forward.append(_FOLLOWED.get(letter, b"") + b"(?:" + b"|".join(backward) + b")")
    return forward


def _rarest(needle: bytes, taken: Iterable[bytes]) -> int:
    """The position of its rarest byte; a byte that is searched for already costs less than a new byte."""
    known = frozenset(taken)

    def cost(at: int) -> int:
        letter = needle[at : at + 1]
        rank = RARE_FIRST.find(chr(needle[at])) if needle[at] < 128 else 0
        return rank if letter in known else rank + 3

    return min(range(len(needle)), key=cost)
