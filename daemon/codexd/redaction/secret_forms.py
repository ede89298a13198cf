"""A known secret in all the forms in which it may stand in a text, and one pass that looks for any of them.

The pass is a regular expression whose every alternative begins with a rare character, so that most texts
are run through once, a character at a time, and nothing else happens.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

# Texts within texts: a command in the arguments of a call in an item, each a JSON string in the other's.
LEVELS = 3
# Of the characters of program text and prose, the rarest first; what is not in it is rarer.
RARE_FIRST = "QZXJKYVWqzGHBUO@~^#%&$!?+*=|<>`MNDFLPCRSAITEjx9876543k210;{}[]()_vwybgpf-/.,':umcdhlnsriatoe \\\"n"


def forms_of(secret: str) -> tuple[bytes, ...]:
    """The secret as it is, as a URL and base64 carry it, and escaped in JSON; the longest first."""
    raw = secret.encode(errors="surrogateescape")
    encoded = base64.b64encode(raw)
    forms = {raw, quote(raw, safe="").encode(), encoded, encoded.rstrip(b"=")}
    level = {secret}
    for _ in range(LEVELS):
        level = {escaped for one in level for escaped in _escaped(one)}
        forms |= {one.encode(errors="surrogateescape") for one in level}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _escaped(text: str) -> Iterable[str]:
    try:
        yield msgspec.json.encode(text).decode()[1:-1]
    except UnicodeError:  # an environment may hold bytes that are no UTF-8
        return
    if not text.isascii():
        import json

        yield json.dumps(text)[1:-1]


def any_of(needles: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """One alternation of them all; earlier ones are preferred."""
    joined = b"|".join(re.escape(needle) for needle in needles)
    return re.compile(joined) if joined else None


# What follows these letters in each anchor that looks back from them first: asked once, in place of once for
# each. The other anchors with these letters go on with what follows.
_FOLLOWED: Final = {
    b"_": rb"(?=[A-Za-z0-9+/]{16})",
    b"-": rb"(?=[A-Za-z0-9_.-]{10})",
    b"=": rb"(?<=[DEGHNRSTYdeghnrsty]=)(?=[^ =>])",
}


def first_pass(needles: Iterable[bytes], anchors: Sequence[bytes]) -> re.Pattern[bytes]:
    """What finds a place in every text that holds one of the needles or of the patterns' anchors."""
    of_patterns: dict[bytes, list[bytes]] = {}
    for anchor in anchors:
        of_patterns.setdefault(anchor[:1], []).append(anchor[1:])
    by_letter = {letter: _guarded(letter, rests) for letter, rests in of_patterns.items()}
    for needle in needles:
        at = _rarest(needle, by_letter)
        rest = rb"(?<=%b)%b" % (re.escape(needle[: at + 1]), re.escape(needle[at + 1 :]))
        by_letter.setdefault(needle[at : at + 1], []).append(rest)
    # A JSON text may spell any letter as an escape: that is found here, and read with care.
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
    """Where its rarest byte stands; one that is looked for anyhow costs less than a new one."""
    known = frozenset(taken)

    def cost(at: int) -> int:
        letter = needle[at : at + 1]
        rank = RARE_FIRST.find(chr(needle[at])) if needle[at] < 128 else 0
        return rank if letter in known else rank + 3

    return min(range(len(needle)), key=cost)
