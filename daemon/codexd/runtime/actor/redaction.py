"""Texts that stream, on their way to drafts and screens without the secrets in them.

Text that may be the beginning of a secret is held until more has come, so drafts and screens get it later or
never. The redactor is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Cleaner(Protocol):
    """One text that grows."""

    def feed(self, chunk: bytes) -> bytes:
        """More of it came: what of it may be let out."""

    def rest(self) -> bytes:
        """The end of the text: returns the part that was held back."""


class AsItIs:
    """Passes everything on: no secrets are known."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def rest(self) -> bytes:
        return b""


def clean_pieces(cleaner: Cleaner, pieces: Sequence[str]) -> Sequence[str]:
    """More of a text in pieces: they stay as they are where nothing was held or replaced."""
    came = "".join(pieces).encode(errors="replace")
    clean = cleaner.feed(came)
    if clean == came:
        return pieces
    return (clean.decode(errors="replace"),) if clean else ()
