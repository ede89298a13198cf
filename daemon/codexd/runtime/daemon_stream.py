"""The daemon's own stream: facts that belong to no thread, each found again by its key. I/O.

One such fact is the package that a thread came from, as long as its own log does not record it: a thread from a
package is recovered when it is first opened; until then its log stays unchanged byte for byte, so that a later
package of the same thread may extend it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import trio

from codexd.core.values.ids import ThreadId
from codexd.core.values.taken_from import TakenFrom
from codexd_eventstore.event_log import Conflict, EventLog, NewEvent, NotFound, Record
from codexd_eventstore.reading import record_at

# No thread is called so: their names are UUIDs.
DAEMON_STREAM = "daemon"


async def note(log: EventLog, event: NewEvent, *, key: str, at_us: int) -> None:
    """Append a fact, unless its key is recorded already. Raises: StoreError."""
    while True:
        try:
            version = (await log.head(DAEMON_STREAM)).version
        except NotFound:
            version = 0
        try:
            await log.append(
                DAEMON_STREAM,
                [event],
                expected_version=version,
                at_us=at_us,
                durable=True,
                key=key,
            )
        except Conflict:
            await trio.lowlevel.checkpoint()  # Another task has appended first.
        else:
            return


async def noted(log: EventLog, key: str) -> Record | None:
    """The fact that a key was given with. Raises: StoreError."""
    try:
        span = await log.find_key(DAEMON_STREAM, key)
    except NotFound:
        return None
    return await record_at(log, DAEMON_STREAM, span[0]) if span is not None else None


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
        self._notes = 0  # the number of records that this process wrote

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
