"""The summary of a thread that is not loaded and not in the index: folded from its log, once."""

from __future__ import annotations

import functools
from typing import Final

from codexd.core.events.record import decode_record
from codexd.core.values.ids import ThreadId
from codexd.projections.summary import TELLING_TYPES, Summary
from codexd.runtime.snapshots.codec import SnapshotCodec, joints_of, keep
from codexd.runtime.snapshots.writer import find_folds
from codexd_eventstore.reading import Pages
from codexd_eventstore.store import EventStore

# To read fewer records again takes some milliseconds, and to keep what they make a write.
KEPT_EVENTS: Final = 1000
NAME: Final = "summary"
# Records read at a time: some two milliseconds without another task.
_PIECE_RECORDS: Final = 256


@functools.cache
def summary_codec() -> SnapshotCodec[Summary]:
    """The snapshot of a summary that was folded alone."""
    return SnapshotCodec(Summary)


async def summary_of(store: EventStore, thread_id: ThreadId, version: int) -> Summary:
    """The summary as of a version, which the log has. Raises: StoreError, InvalidEvent."""
    summary = await _newest(store, thread_id, version)
    begun = summary.seq
    async for page in Pages(store, thread_id, after=begun, upto=version, limit=_PIECE_RECORDS):
        for record in page:
            # The last record is always decoded: its time is the thread's.
            if record.type in TELLING_TYPES or record.seq == version:
                summary.apply(decode_record(record.line))
    if version - begun >= KEPT_EVENTS:
        joints = await joints_of(store, thread_id)
        if joints is not None:
            encoded = summary_codec().encode(thread_id, joints, summary)
            await keep(store, thread_id, NAME, version, encoded)
    return summary


async def _newest(store: EventStore, thread_id: ThreadId, version: int) -> Summary:
    """The newest stored summary: folded alone, or from a snapshot of all folds."""
    joints = await joints_of(store, thread_id)
    kept = await summary_codec().find(store, thread_id, NAME, joints)
    if kept is not None and kept.seq == version:
        return kept.fold
    folds = await find_folds(store, thread_id, version)
    folded = folds.summary if folds is not None else Summary()
    return kept.fold if kept is not None and folded.seq < kept.seq < version else folded
