"""Removes secrets from bytes: known values, in all their encoded forms, and matches of well-known kinds.

A text without secrets is returned as the same object, after one pass: a regular expression of which each alternative
begins with a rare character, so that most texts are scanned once, without a match. JSON stays valid JSON of
the same shape; other bytes, such as a command's output, lose only the matches.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final
from urllib.parse import quote

import msgspec

from codexd.core.values.redacted import secret_stand_in
from codexd.redaction.patterns import PATTERNS, Pattern
from codexd.redaction.strings import edit_strings, is_json
from codexd.redaction.windows import (
    ANCHOR_BYTES_MAX,
    OWN_WINDOW_BYTES,
    WINDOW_BYTES,
    is_in,
    matches_in,
    with_replaced,
)

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


_STANDS_THERE = "«".encode()


class Redactor:
    """Immutable: for a new secret, a new redactor is made."""

    def __init__(
        self,
        secrets: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        *,
        patterns: Sequence[Pattern] = PATTERNS,
        own: Sequence[Pattern] = (),
    ) -> None:
        """`secrets` have names, which may come again; `own` are a person's patterns, which may match any text."""
        self._patterns, self._own = tuple(patterns), tuple(own)
        self._names: dict[bytes, bytes] = {}  # each form of each secret, and its placeholder
        for name, secret in dict(secrets).items() if isinstance(secrets, Mapping) else secrets:
            placeholder = secret_stand_in(name, secret.encode(errors="surrogateescape")).encode()
            for form in forms_of(secret):
                self._names.setdefault(form, placeholder)
        self.secret_forms = tuple(sorted(self._names, key=lambda form: (-len(form), form)))
        self._known = any_of(self.secret_forms)
        # The forms by their first two letters.
        pairs = sorted({re.escape(form[:2]) for form in self.secret_forms})
        self._begins = re.compile(b"|".join(pairs)) if pairs else None
        self._firsts = frozenset(form[:1] for form in self.secret_forms)
        self._longest_bytes = len(self.secret_forms[0]) if self.secret_forms else 0
        anchors = [part for pattern in patterns for part in _alternatives(pattern.anchor)]
        self._first_pass = first_pass(self.secret_forms, anchors).search
        self._reach = max(self._longest_bytes, ANCHOR_BYTES_MAX)

    def __call__(self, content: bytes) -> bytes:
        """The content without its secrets; the same object if it has none."""
        if not self.is_in_doubt(content):
            return content
        if is_json(content):
            return edit_strings(content, self._in_string)
        return self._in_text(content)

    def text(self, text: str) -> str:
        encoded = text.encode(errors="surrogatepass")
        found = self(encoded)
        return text if found is encoded else found.decode(errors="surrogatepass")

    def raw(self, content: bytes) -> bytes:
        """The same for bytes that are not JSON, or are a part of it."""
        return self._in_string(content, False)

    def begins_known(self, text: bytes) -> int:
        """The start of a known secret that may continue after the text; the text's end, if there is none."""
        if self._begins is None:
            return len(text)
        least = max(0, len(text) - self._longest_bytes + 1)
        found = self._begins.search(text, least)
        while found is not None:
            rest = text[found.start() :]
            if any(form.startswith(rest) and form != rest for form in self.secret_forms):
                return found.start()
            found = self._begins.search(text, found.start() + 1)
        return len(text) - (text[-1:] in self._firsts)

    def not_within_known(self, text: bytes, at: int) -> int:
        """`at`, or the start of the known secret that a cut at `at` would split."""
        if at < len(text) and self._known is not None:
            for found in self._known.finditer(text, max(0, at - self._longest_bytes)):
                if found.start() < at < found.end():
                    return found.start()
        return at

    @cached_property
    def _anchors(self) -> tuple[tuple[re.Pattern[bytes], Pattern], ...]:
        # Built at the first text that may have a secret, not at the start of the daemon.
        return tuple((re.compile(pattern.anchor), pattern) for pattern in self._patterns)

    def _in_string(self, text: bytes, base64: bool) -> bytes:
        if base64:
            return self._without_known(text)
        if not self.is_in_doubt(text):
            return text
        return self._in_text(text)

    def is_in_doubt(self, text: bytes) -> bool:
        """Whether bytes that are not JSON, or are a part of it, may have a secret."""
        if self._own:
            return True
        if len(text) <= WINDOW_BYTES:
            return self._first_pass(text) is not None
        return is_in(self._first_pass, text, self._reach)

    def _in_text(self, text: bytes) -> bytes:
        text = self._without_known(text)
        for anchor, pattern in self._anchors:
            text = with_replaced(text, _places(text, pattern, anchor))
        for pattern in self._own:
            text = with_replaced(text, _places(text, pattern, None))
        return text

    def _without_known(self, text: bytes) -> bytes:
        if self._known is None:
            return text
        found = matches_in(self._known, text, reach=self._reach)
        return with_replaced(text, ((*match.span(), self._names[match[0]]) for match in found))


def _places(
    text: bytes, pattern: Pattern, anchor: re.Pattern[bytes] | None
) -> Iterator[tuple[int, int, bytes]]:
    """The places of secrets of a kind, with their placeholders."""
    for start, end in _spans(text, pattern, anchor):
        secret = text[start:end]
        if secret and _STANDS_THERE not in secret:
            yield start, end, secret_stand_in(pattern.kind, secret).encode()


def _spans(
    text: bytes, pattern: Pattern, anchor: re.Pattern[bytes] | None
) -> Iterator[tuple[int, int]]:
    if pattern.places is not None:
        if anchor is None or is_in(anchor.search, text, ANCHOR_BYTES_MAX):
            yield from pattern.places(text)
        return
    regex = pattern.regex
    group: str | int = "secret" if "secret" in regex.groupindex else 0
    window = OWN_WINDOW_BYTES if anchor is None else WINDOW_BYTES
    for found in matches_in(regex, text, anchor=anchor, window=window):
        if pattern.judge is None or pattern.judge(text, found):
            span = found.span(group)
            yield span if span[0] >= 0 else found.span("other")


def _alternatives(anchor: bytes) -> list[bytes]:
    """An anchor's alternatives: those at its top begin with one literal letter each."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(anchor):
        depth += (letter == ord("(")) - (letter == ord(")"))
        if letter == ord("|") and depth == 0:
            parts.append(anchor[start:at])
            start = at + 1
    return [*parts, anchor[start:]]
