"""The package that a thread came from, as long as its own log does not record it. I/O.

A thread from a package is recovered when it is first opened; until then its log stays unchanged byte for byte, so
that a later package of the same thread may extend it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from codexd.core.commands import TakenFrom
from codexd.core.values.ids import ThreadId
from codexd.runtime.daemon_stream import note, noted
from codexd_eventstore.event_log import EventLog, NewEvent


class _Brought(msgspec.Struct, frozen=True, rename="camel"):
    """This thread was unpacked from that file."""

    thread_id: ThreadId
    path: str


_BROUGHT = "thread.brought"
# Threads for which memory has whether they came with a package; each takes some hundred bytes.
KNOWN_MAX: Final = 1024


class _Line(msgspec.Struct, frozen=True):
    data: _Brought


class BroughtIn:
    """The packages that threads came from, in the daemon's own stream."""

    def __init__(self, store: EventLog, now_us: Callable[[], int]) -> None:
        self._store, self._now_us = store, now_us
        # Only this object writes such facts, and each is asked for whenever its thread is read.
        self._known: dict[ThreadId, TakenFrom | None] = {}
        self._notes = 0  # so many were written by this process

    async def note(self, thread_id: ThreadId, path: str) -> None:
        """A thread came from this file. Raises: StoreError."""
        event = NewEvent(_BROUGHT, msgspec.json.encode(_Brought(thread_id, path)))
        await note(self._store, event, key=_key(thread_id), at_us=self._now_us())
        self._notes += 1
        self._known.pop(thread_id, None)

    async def of(self, thread_id: ThreadId) -> TakenFrom | None:
        """The package; None for a thread that came from none. Raises: StoreError."""
        if thread_id in self._known:
            return self._known[thread_id]
        notes = self._notes
        found = await self._read(thread_id)
        if notes == self._notes:  # Else it may have been read before it was noted.
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[thread_id] = found
        return found

    async def _read(self, thread_id: ThreadId) -> TakenFrom | None:
        record = await noted(self._store, _key(thread_id))
        if record is None or record.type != _BROUGHT:
            return None
        return TakenFrom("package", msgspec.json.decode(record.line, type=_Line).data.path)


def _key(thread_id: ThreadId) -> str:
    return f"brought:{thread_id}"
