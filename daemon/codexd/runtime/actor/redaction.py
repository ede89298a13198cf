"""Texts that stream, on their way to drafts and screens without the secrets in them.

Text that may be the beginning of a secret is held until more has come, so drafts and screens get it later or
never. The redactor is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
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


class Cleaning:
    """The growing texts of one thread, by their keys."""

    def __init__(self, make: Callable[[], Cleaner]) -> None:
        self._make = make
        self._cleaners: dict[Hashable, Cleaner] = {}

    def chunk(self, name: Hashable, chunk: bytes) -> bytes:
        """The text that may be passed on, with this chunk."""
        return self._of(name).feed(chunk)

    def pieces(self, name: Hashable, pieces: Sequence[str]) -> Sequence[str]:
        """The same for pieces of text: they stay as they are where nothing was held or replaced."""
        came = "".join(pieces).encode(errors="replace")
        clean = self._of(name).feed(came)
        if clean == came:
            return pieces
        return (clean.decode(errors="replace"),) if clean else ()

    def rest(self, name: Hashable) -> bytes:
        """The held rest of a text that has ended."""
        cleaner = self._cleaners.pop(name, None)
        return cleaner.rest() if cleaner is not None else b""

    def drop(self, name: Hashable) -> None:
        """Its fact is in the log."""
        self._cleaners.pop(name, None)

    def _of(self, name: Hashable) -> Cleaner:
        cleaner = self._cleaners.get(name)
        if cleaner is None:
            cleaner = self._cleaners[name] = self._make()
        return cleaner
