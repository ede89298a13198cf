"""The stream of the daemon itself: facts of the whole house, each under a key by which it is found again. I/O."""

from __future__ import annotations

import trio

from codexd_eventstore.store import Conflict, EventStore, NewEvent, NotFound, Record

# No thread is called so: their names are UUIDs.
DAEMON_STREAM = "daemon"


async def note(store: EventStore, event: NewEvent, *, key: str, at_us: int) -> None:
    """Append a fact; one whose key is known is there already. Raises: StoreError."""
    while True:
        try:
            version = (await store.head(DAEMON_STREAM)).version
        except NotFound:
            version = 0
        try:
            await store.append(
                DAEMON_STREAM,
                [event],
                expected_version=version,
                at_us=at_us,
                durable=True,
                key=key,
            )
        except Conflict:
            await trio.lowlevel.checkpoint()  # Somebody else was quicker.
        else:
            return


async def noted(store: EventStore, key: str) -> Record | None:
    """The fact that a key was given with. Raises: StoreError."""
    try:
        span = await store.find_key(DAEMON_STREAM, key)
    except NotFound:
        return None
    if span is None:
        return None
    (record,) = await store.read(DAEMON_STREAM, after=span[0] - 1, limit=1)
    return record
