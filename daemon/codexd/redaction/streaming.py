"""Removes secrets from a text that arrives in chunks: a possible beginning of a secret is held back.

Law: text that was released is never the beginning of a secret, and all released text together equals the
whole text without its secrets. A person's own patterns are the exception: the beginning of their matches
is unknown, so they are searched for in each chunk alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Final

from codexd.redaction.patterns import SERVICE_PREFIXES
from codexd.redaction.redactor import Redactor

# Longer than any secret: text that is longer was none.
HELD_BYTES_MAX: Final = 16 * 1024
# The context before a chunk: it decides whether a word begins, and whether a header announces a key.
BEFORE_BYTES: Final = 96
# No token of a well-known kind is longer.
WORD_BYTES_MAX: Final = 4096

# Of the tokens in `patterns.py`, and of those of the services.
_TOKENS: Final = (
    *SERVICE_PREFIXES,
    *b"""
    eyJ AKIA ASIA ABIA AIza GOCSPX- ya29. sk- xapp- ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ npm_ hf_ pypi- xoxa- xoxb-
    xoxe- xoxo- xoxp- xoxr- xoxs- whsec_ glpat- gldt- glrt- glptt- glcbt- glsoat- glft- glimt- gloas- glagent- sk_live_
    sk_test_ rk_live_ rk_test_ SG. dop_v1_ doo_v1_ dor_v1_ hvs. hvb. hvr. AGE-SECRET-KEY-
    """.split(),
    # Tokens that begin with a number in base64, or follow a number or a name that is not part of them.
    *b"AA MD MT Mj Mz ND NT Nj Nz OD OT Oj Oz".split(),
    b"-----BEGIN ",
)
_PARTS: Final = frozenset(token[:size] for token in _TOKENS for size in range(1, len(token)))
_TOKEN: Final = re.compile(
    b"|".join(
        b"%b(?:%b)" % (re.escape(letter), b"|".join(re.escape(token[1:]) for token in tokens))
        for letter, tokens in groupby(sorted(_TOKENS[:-1]), lambda token: token[:1])
    )
)
_TOKEN_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_DOTTED_LETTERS: Final = _TOKEN_LETTERS + b"./+="
_WORD_LETTERS: Final = _TOKEN_LETTERS + b".+/=:@~%!$&*?#^|,;()\\"
# Openers: a secret without a form of its own follows them on the same line.
_OPENER: Final = re.compile(
    rb"z(?<=uthoriz)|Z(?<=UTHORIZ)|b(?<=b)earer|B(?:earer|EARER)|K(?:(?<=ccessK)|(?<=piK))ey|T(?<=essionT)oken"
    rb"|_(?:(?<=[AaEeSs][PpCcSsTt][IiSsEe]_|[Rr][Ee][Tt]_)(?:[Kk]ey|KEY)|(?<=ession_)[Tt]oken|(?<=ESSION_)TOKEN)"
    rb"|/(?:(?<=services/)|(?<=:/)/|(?<=:\\/)\\?/|(?<=hooks/))|=(?<=[A-Za-z]=)|w(?<=ssw)(?:or)?d|W(?<=SSW)(?:OR)?D"
    rb"|-(?:(?<=[ \t]-)u|(?<=[AaPp][PpIi][Ii]-)[Kk]|(?<=[tT][eEhH]-)[Tt])|~(?<=Q~)|v(?<=atlasv)1\."
)
# An opener may be cut in two as well: counted from its anchor letter, `bearer` and `_token` are the longest.
OPENER_FOUND_BYTES_MAX: Final = 6
_PEM_END: Final = re.compile(rb"-----END [A-Z0-9 ]{0,64}+-----")
_PEM: Final = re.compile(rb"-----BEGIN (?:(?!PRIVATE)[A-Z0-9]{1,16} ){0,3}+PRIVATE KEY")


class StreamRedactor:
    """One text that grows."""

    def __init__(self, redactor: Callable[[], Redactor]) -> None:
        self._redactor = redactor
        self._before = b""  # the end of the released text
        self._opened = False
        self.held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Add a chunk; returns the redacted text that can be released."""
        redactor = self._redactor()
        text = self.held + chunk
        whole = self._before + text
        at = self._unfinished_at(text, whole, redactor)
        if at == len(text) or len(text) - at > HELD_BYTES_MAX:
            self.held = b""
            return self._clean(text, whole, redactor)
        self.held = text[at:]
        return self._clean(text[:at], whole[: at - len(text)], redactor)

    def rest(self) -> bytes:
        """The text has ended: returns the held text, redacted."""
        held, self.held = self.held, b""
        return self._clean(held, self._before + held, self._redactor())

    def _clean(self, text: bytes, whole: bytes, redactor: Redactor) -> bytes:
        """A text without its secrets; `whole` is the released context and the text."""
        if not text:
            return text
        if not redactor.is_in_doubt(whole):
            self._before = whole[-BEFORE_BYTES:]
            return text
        before = self._before
        found = redactor.raw(whole)
        clean = found[len(before) :] if found.startswith(before) else redactor.raw(text)
        self._before = (before + clean)[-BEFORE_BYTES:]
        return clean

    def _unfinished_at(self, text: bytes, whole: bytes, redactor: Redactor) -> int:
        """The start of text that may become a secret with the next chunk; the end, if there is none."""
        at = min(redactor.begins_known(text), self._token_at(text))
        if b"\n" in text:
            self._opened = False
        if not self._opened:
            # Whether an opener is on this line. The released text has been searched, except for an opener
            # that continues in the text.
            line_at = max(whole.rfind(b"\n") + 1, len(whole) - len(text) - OPENER_FOUND_BYTES_MAX)
            self._opened = _OPENER.search(whole, line_at) is not None
        if self._opened:
            tail = text[-WORD_BYTES_MAX:]
            at = min(at, len(text) - len(tail) + len(tail.rstrip(_WORD_LETTERS)))
        if b"-----" in text:
            at = min(at, _pem_at(text))
        return redactor.not_within_known(text, at) if at < len(text) else at

    def _token_at(self, text: bytes) -> int:
        """The start of a token at the end of the text, or of the beginning of a token."""
        tail = text[-WORD_BYTES_MAX:]
        word_at = len(tail.rstrip(_DOTTED_LETTERS))
        if word_at == len(tail):
            return len(text)
        begin = len(text) - len(tail)
        found = _TOKEN.search(tail, word_at)
        at = found.start() if found is not None else len(tail)
        part_at = max(word_at, len(tail.rstrip(_TOKEN_LETTERS)))
        # The beginning of one token may have another token in it: `EAA` has `AA`.
        return begin + (min(at, part_at) if tail[part_at:] in _PARTS else at)


def _pem_at(text: bytes) -> int:
    """The start of a private key that has not ended, or of the beginning of a key."""
    ended = text.rfind(b"-----END ")
    last_end = _PEM_END.match(text, ended) if ended >= 0 else None
    # A mark that is cut at the end of the text may belong to any kind of block.
    block = _PEM.search(text, last_end.end() if last_end is not None else 0)
    if block is not None:
        return block.start()
    begin = text.rfind(b"-----BEGIN ")
    return begin if 0 <= len(text) - 60 < begin or 0 <= begin <= len(text) < 60 else len(text)
