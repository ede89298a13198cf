"""Removes text from stored records: matches that a person names, or secrets that the daemon knows now.

Law: an event stays valid. Names of members, ids, enumerated values and numbers are not changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from codexd.core.values.redacted import scrubbed_stand_in
from codexd.redaction.redactor import Redactor
from codexd.redaction.strings import edit_strings, edit_values
from codexd.redaction.windows import OWN_WINDOW_BYTES, matches_in, with_replaced

_BLOB = re.compile(rb'"blob":"([0-9a-f]{64})"')
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:/.*+)?")
# Members that other records refer to, and members that decide how a thread continues.
_REFERENCES = frozenset(
    b"itemId turnId callId answers approvalId actionHash parent blob id call_id "
    b"type kind role name status model provider".split()
)
# Strings that are left unchanged: empty ones, and placeholders.
_DONE = "«".encode()


class Scrub:
    """The secrets to remove from records and blobs."""

    def __init__(
        self,
        patterns: Sequence[re.Pattern[bytes]] = (),
        seqs: Collection[int] = (),
        known: Redactor | None = None,
    ) -> None:
        self._patterns, self._seqs, self._known = tuple(patterns), frozenset(seqs), known
        self.places = 0  # replacements up to now

    def data(self, seq: int, data: bytes, blobs: Mapping[str, str]) -> bytes | None:
        """A record's data after the removal; None if nothing changed. `blobs`: old names of blobs to new ones."""
        clean = data
        if seq in self._seqs:
            clean = edit_values(clean, self._whole)
        if self._known is not None:
            clean = self._counted(self._known(clean), clean)
        if self._patterns:
            clean = edit_strings(clean, lambda text, base64: self._named(text))
        for old, new in blobs.items():
            clean = clean.replace(old.encode(), new.encode())
        return None if clean == data else clean

    def blob(self, content: bytes, *, whole: bool) -> bytes:
        """A blob's content after the removal; `whole`: its record is removed entirely."""
        if whole:
            return scrubbed_stand_in(content).encode()
        clean = content if self._known is None else self._counted(self._known.raw(content), content)
        return self._named(clean)

    def is_meant(self, seq: int) -> bool:
        """Whether all text of a record is to be removed."""
        return seq in self._seqs

    def _counted(self, clean: bytes, before: bytes) -> bytes:
        if clean == before:
            return before
        self.places += max(1, clean.count(_DONE) - before.count(_DONE))
        return clean

    def _whole(self, name: bytes, text: bytes) -> bytes:
        if not text or name in _REFERENCES or _ID.fullmatch(text) or text.startswith(_DONE):
            return text
        self.places += 1
        return scrubbed_stand_in(text).encode()

    def _named(self, text: bytes) -> bytes:
        def places(pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int, bytes]]:
            for found in matches_in(pattern, text, window=OWN_WINDOW_BYTES):
                if found[0]:
                    self.places += 1
                    yield *found.span(), scrubbed_stand_in(found[0]).encode()

        for pattern in self._patterns:
            text = with_replaced(text, places(pattern))
        return text


def blobs_in(data: bytes) -> list[str]:
    """The blobs that a record's data names."""
    return [found.decode() for found in _BLOB.findall(data)]
