"""Redacts content before it is framed or written, by a function of the caller.

Law: the store knows no patterns. It decides when the function is called, and how a long content is passed
in pieces so that no secret is missed where two pieces meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

import trio
from msgspec.structs import replace

from codexd_eventstore.store import NewEvent

Given = TypeVar("Given")
Made = TypeVar("Made")
# Returns content without secrets, and the same object if there are none. A JSON object stays a JSON object.
# It must not fail.
Redact = Callable[[bytes], bytes]

# Secrets are shorter than this: the longest private keys in use have 13 KB as text.
OVERLAP_BYTES: Final = 64 * 1024
# Positions that are tried for a safe cut; texts have lines, so the first is almost always good.
_CUTS_MAX: Final = 16
# If no safe cut is found, this much is held and then cut anyway: the bound of memory for hostile content.
HELD_BYTES_MAX: Final = 8 * 1024 * 1024
# Longer content is redacted in a thread: the function takes up to a microsecond per byte, and the event loop must not
# wait. A thread hop costs as much as some 20 KB.
APART_BYTES: Final = 32 * 1024


class Redacting:
    """Calls the redaction function; without one, content is unchanged."""

    def __init__(self, redact: Redact | None = None) -> None:
        self._redact = redact

    def events(self, events: Sequence[NewEvent]) -> tuple[Sequence[NewEvent], bool]:
        """The redacted events, and whether anything was replaced."""
        redact = self._redact
        if redact is None:
            return events, False
        clean, changed = [], False
        for event in events:
            data = redact(event.data)
            if data is not event.data:
                event, changed = replace(event, data=data), True
            clean.append(event)
        return clean, changed

    async def ready(self, events: Sequence[NewEvent]) -> tuple[Sequence[NewEvent], bool]:
        """The same; long events are redacted in a thread."""
        if self._redact is None or sum([len(event.data) for event in events]) < APART_BYTES:
            return self.events(events)
        return await _apart(self.events, events)

    async def ready_content(self, content: bytes) -> bytes:
        """A redacted content; a long content is redacted in a thread."""
        if self._redact is None or len(content) < APART_BYTES:
            return self.content(content)
        return await _apart(self.content, content)

    def content(self, content: bytes) -> bytes:
        return content if self._redact is None else self._redact(content)

    def pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A redacted content in pieces, which differ from the given pieces."""
        if self._redact is None:
            yield from pieces
            return
        held = b""
        for piece in pieces:
            held += piece
            if len(held) <= 2 * OVERLAP_BYTES:
                continue
            clean, held = self._cut(held)
            if clean:
                yield clean
        if held:
            yield self.content(held)

    def _cut(self, held: bytes) -> tuple[bytes, bytes]:
        """The redacted text that may be written now, and the text to hold until the next piece.

        A cut is safe if redacting both parts gives the same as redacting the whole.
        """
        whole = self.content(held)
        at = len(held) - OVERLAP_BYTES
        for _ in range(_CUTS_MAX):
            at = held.rfind(b"\n", 0, at) + 1 or at
            first, rest = self.content(held[:at]), self.content(held[at:])
            if first + rest == whole:
                return first, held[at:]
            at -= 1
            if at <= 0:
                break
        if len(held) < HELD_BYTES_MAX:
            return b"", held
        at = len(held) - OVERLAP_BYTES
        return self.content(held[:at]), held[at:]


async def _apart(work: Callable[[Given], Made], given: Given) -> Made:
    """Run a pure function in a thread; a cancelled caller does not wait for it."""
    return await trio.to_thread.run_sync(work, given, abandon_on_cancel=True)
