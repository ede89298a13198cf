"""What a caller does not want stored is taken out before it is framed or written: by a function of the caller's.

Law: the store knows no patterns. It knows when the function is to be called, and how to give it a long
content in pieces so that nothing hides where two of them meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

import trio
from msgspec.structs import replace

from codexd_eventstore.store import NewEvent

Given = TypeVar("Given")
Made = TypeVar("Made")
# Gives content back without what must not be stored, and the very same object where there is nothing of
# it. One JSON object stays one. It must not fail.
Redact = Callable[[bytes], bytes]

# What is to be replaced is shorter than this: the longest private keys in use have 13 KB as text.
OVERLAP_BYTES: Final = 64 * 1024
# Places tried for a cut that goes through nothing; texts have lines, so the first one is almost always good.
_CUTS_MAX: Final = 16
# Where no cut is found, this much is held and then cut all the same: the memory of a hostile content.
HELD_BYTES_MAX: Final = 8 * 1024 * 1024
# What is longer is looked through in a thread: the caller's function takes up to a microsecond a byte, and the
# loop has others to serve. A thread costs as much as some 20 KB of it.
APART_BYTES: Final = 32 * 1024


class Redacting:
    """A store's way to its caller's function; without one everything passes as it is."""

    def __init__(self, redact: Redact | None = None) -> None:
        self._redact = redact

    def events(self, events: Sequence[NewEvent]) -> tuple[Sequence[NewEvent], bool]:
        """The events as they are to be written, and whether something in them was replaced."""
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
        """The events as they are to be written; made in a thread where they are long, else at once."""
        if self._redact is None or sum([len(event.data) for event in events]) < APART_BYTES:
            return self.events(events)
        return await _apart(self.events, events)

    async def ready_content(self, content: bytes) -> bytes:
        """A whole content as it is to be written, made in a thread where it is long."""
        if self._redact is None or len(content) < APART_BYTES:
            return self.content(content)
        return await _apart(self.content, content)

    def content(self, content: bytes) -> bytes:
        """A whole content as it is to be written."""
        return content if self._redact is None else self._redact(content)

    def pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A content in pieces as it is to be written, in others."""
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
        """What may be written now, clean, and what is to be held until more has come.

        A cut goes through nothing where both parts come out as the whole does.
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
    """Run what changes nothing in a thread; who is cancelled leaves it to itself."""
    return await trio.to_thread.run_sync(work, given, abandon_on_cancel=True)
