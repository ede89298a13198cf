"""The daemon's own stream: facts that belong to no thread, each found again by its key. I/O."""

from __future__ import annotations

import trio

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
