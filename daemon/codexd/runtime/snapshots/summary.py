"""What lists show of a thread that is not loaded and not in the index: folded from its log, once."""

from __future__ import annotations

import functools
from typing import Final

from codexd.core.events.record import decode_record
from codexd.core.values.ids import ThreadId
from codexd.projections.summary import TELLING_TYPES, Summary
from codexd.runtime.snapshots.cache import KEPT_EVENTS, FoldsCache
from codexd.runtime.snapshots.steps import find_seed
from codexd_eventstore.store import EventStore

# Records read at a time: some two milliseconds, in which nobody else is served.
_PIECE_RECORDS: Final = 256


@functools.cache
def _memory() -> FoldsCache[Summary]:
    return FoldsCache("summary", Summary)


async def summary_of(store: EventStore, thread_id: ThreadId, version: int) -> Summary:
    """The summary as of a version, which the log has. Raises: StoreError, InvalidEvent."""
    summary = await _newest(store, thread_id, version)
    begun = after = summary.seq
    while after < version:
        for record in await store.read(
            thread_id, after=after, limit=min(_PIECE_RECORDS, version - after)
        ):
            after = record.seq
            # The last record is decoded whatever it says: its time is the thread's.
            if record.type in TELLING_TYPES or after == version:
                summary.apply(decode_record(record.line))
    if version - begun >= KEPT_EVENTS:
        await _memory().keep(store, thread_id, version, summary)
    return summary


async def _newest(store: EventStore, thread_id: ThreadId, version: int) -> Summary:
    """The newest that is kept, of a thread that was folded so or was loaded."""
    kept = await _memory().find(store, thread_id)
    if kept is not None and kept.seq == version:
        return kept.fold
    seed = await find_seed(store, thread_id, version)
    folded = seed.folds.summary if seed is not None else Summary()
    return kept.fold if kept is not None and folded.seq < kept.seq < version else folded
