"""Takes secrets out of a text that comes bit by bit: what may be the beginning of one waits for the rest.

Law: what has been let out never turns out later to have been the beginning of a secret, and all of it
together reads as the whole text without its secrets does. A person's own patterns are the exception: nobody
knows where a match of those begins, so they are looked for in each bit alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from codexd.redaction.redactor import Redactor

# More than the longest secret: what has not ended by then was none.
HELD_BYTES_MAX: Final = 16 * 1024
# What stands in front decides whether a word begins, and whether a header is about to say a key.
BEFORE_BYTES: Final = 200
# A token of a well-known kind is no longer than this.
WORD_BYTES_MAX: Final = 4096

_TOKENS: Final = (
    *(b"eyJ", b"AKIA", b"ASIA", b"ABIA", b"AIza", b"GOCSPX-", b"ya29.", b"sk-", b"xapp-"),
    *(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"npm_", b"hf_", b"pypi-"),
    *(
        b"xoxa-",
        b"xoxb-",
        b"xoxe-",
        b"xoxo-",
        b"xoxp-",
        b"xoxr-",
        b"xoxs-",
        b"whsec_",
        b"-----BEGIN ",
    ),
    *(
        b"glpat-",
        b"gldt-",
        b"glrt-",
        b"glptt-",
        b"glcbt-",
        b"glsoat-",
        b"glft-",
        b"glimt-",
        b"gloas-",
    ),
    *(b"sk_live_", b"sk_test_", b"rk_live_", b"rk_test_", b"glagent-"),
)
_FIRSTS: Final = frozenset(token[0] for token in _TOKENS)
_TOKEN: Final = re.compile(b"|".join(re.escape(token) for token in _TOKENS[:-1]))
_TOKEN_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_WORD_LETTERS: Final = _TOKEN_LETTERS + b".+/=:@~%!$&*?#^|,;()\\"
# What a secret of no shape of its own follows on the same line.
_OPENER: Final = re.compile(
    rb"(?i)authorization|bearer|access_?key|session_?token|services/|:\\?/\\?/"
)
_PEM_END: Final = re.compile(rb"-----END [A-Z0-9 ]*-----")
_PEM: Final = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY")


class StreamRedactor:
    """One text that grows."""

    def __init__(self, redactor: Callable[[], Redactor]) -> None:
        self._redactor = redactor
        self._before = b""  # the last that was let out
        self.held = b""

    def feed(self, chunk: bytes) -> bytes:
        """More of the text came: what of it may be let out, clean."""
        redactor = self._redactor()
        text = self.held + chunk
        at = self._unfinished_at(text, redactor)
        if len(text) - at > HELD_BYTES_MAX:
            at = len(text)
        self.held = text[at:]
        return self._clean(text[:at], redactor)

    def rest(self) -> bytes:
        """Nothing more comes: what was held, clean."""
        held, self.held = self.held, b""
        return self._clean(held, self._redactor())

    def _clean(self, text: bytes, redactor: Redactor) -> bytes:
        if not text:
            return text
        before = self._before
        whole = redactor.raw(before + text)
        clean = whole[len(before) :] if whole.startswith(before) else redactor.raw(text)
        self._before = (before + clean)[-BEFORE_BYTES:]
        return clean

    def _unfinished_at(self, text: bytes, redactor: Redactor) -> int:
        """Where something begins that may be a secret once more has come; the end, if nothing does."""
        at = redactor.begins_known(text)
        at = min(at, self._token_at(text))
        line = self._before + text[-WORD_BYTES_MAX:]
        line = line[line.rfind(b"\n") + 1 :]
        if _OPENER.search(line) is not None:
            at = min(
                at,
                len(text[-WORD_BYTES_MAX:].rstrip(_WORD_LETTERS))
                + max(0, len(text) - WORD_BYTES_MAX),
            )
        for block in _PEM.finditer(text):
            if _PEM_END.search(text, block.end()) is None:
                at = min(at, block.start())
                break
        else:
            begin = text.rfind(b"-----BEGIN ")
            if begin >= 0 and len(text) - begin < 60:
                at = min(at, begin)
        return redactor.not_within_known(text, at)

    def _token_at(self, text: bytes) -> int:
        """Where a token of a well-known kind stands at the end, or the beginning of its beginning."""
        tail = text[-WORD_BYTES_MAX:]
        word_at = len(tail.rstrip(_TOKEN_LETTERS + b"./+="))
        begin = len(text) - len(tail)
        found = _TOKEN.search(tail, word_at)
        if found is not None:
            return begin + found.start()
        part_at = max(word_at, len(tail.rstrip(_TOKEN_LETTERS)))
        part = tail[part_at:]
        if part and part[0] in _FIRSTS and any(token.startswith(part) for token in _TOKENS):
            return begin + part_at
        return len(text)
