"""What is shown of a thread that is not loaded: its summary, and how full its context window is.

Both go on from the newest snapshot; without one, the summary is folded from the log, and the window is read from its
end.

Law: the result equals the fold of the whole log. A provider's count covers the whole request, so nothing before that
request matters, except inputs that were queued since. So a log that no daemon has folded yet, however long, need not
be folded for this.
"""

from __future__ import annotations

import functools
from typing import Final

from codexd.core.events import events as e
from codexd.core.events.record import decode_record
from codexd.core.state.window import ContextWindow, fold_window
from codexd.core.values.ids import ItemId, ThreadId
from codexd.core.values.usage import read_usage
from codexd.projections.summary import TELLING_TYPES, Summary
from codexd.runtime.snapshots.load import load
from codexd.runtime.snapshots.writer import SnapshotWriter, find_folds
from codexd_eventstore.reading import Pages, records, records_back
from codexd_eventstore.store import EventLog, EventStore

# Records read at a time: about the turns that are needed.
_BACK_RECORDS: Final = 256
# A longer log is folded from its beginning where its provider counts nothing, as some chat servers do.
_BACK_RECORDS_MAX: Final = 20_000


async def fill_of(store: EventStore, thread_id: ThreadId, version: int) -> ContextWindow:
    """The fill as of a version, except for what waits in the queue. Raises: StoreError, InvalidEvent."""
    folds = await find_folds(store, thread_id, version)
    if folds is None:
        window = await _read_back(store, thread_id, version)
        if window is not None:
            return window
        # It takes snapshots on its way, so this is done once.
        folds = (await load(store, thread_id, SnapshotWriter(store, thread_id))).folds
    window = folds.usage.window
    async for record in records(store, thread_id, after=folds.version, upto=version):
        window = fold_window(window, decode_record(record.line).event)
    return window


async def _read_back(log: EventLog, thread_id: ThreadId, version: int) -> ContextWindow | None:
    """The window by the end of the log, as far back as anything of it matters; None where that is not enough."""
    events: list[e.Event | e.Unknown] = []  # newest first
    missing: set[ItemId] = set()  # inputs of the turns that have begun since
    is_counted = False  # before a figure of the provider's, after its request
    is_known = False  # after a figure that does not depend on what was before
    is_settled = False  # after a turn's beginning since which all is known
    async for record in records_back(log, thread_id, before=version + 1, limit=_BACK_RECORDS):
        if version - record.seq >= _BACK_RECORDS_MAX:
            return None
        if is_settled and record.type != e.InputQueued.type:
            continue
        event = decode_record(record.line).event
        match event:
            case e.InputQueued() if is_settled and event.item_id not in missing:
                continue
            case e.InputQueued():
                missing.discard(event.item_id)
            case e.TurnStarted():
                # The inputs of a request that was counted are in the count; its window is what is needed.
                is_settled = is_known
                missing.update(() if is_known else event.inputs)
            case e.HistoryReverted() | e.HistoryRevertUndone() | e.HistoryCompactionUndone():
                is_known = True
            case e.ModelCallEnded():
                is_counted = is_counted or read_usage(event.usage) is not None
            case e.ModelCallStarted():
                is_known = is_known or (is_counted and event.purpose != "compact")
                is_counted = False
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                is_counted = False
            case _:
                pass
        events.append(event)
        if is_settled and not missing:
            break
    return functools.reduce(fold_window, reversed(events), ContextWindow())


# Records read at a time: some two milliseconds without another task.
_PIECE_RECORDS: Final = 256


async def summary_of(store: EventStore, thread_id: ThreadId, version: int) -> Summary:
    """The summary as of a version, which the log has. Raises: StoreError, InvalidEvent."""
    folds = await find_folds(store, thread_id, version)
    summary = folds.summary if folds is not None else Summary()
    async for page in Pages(
        store, thread_id, after=summary.seq, upto=version, limit=_PIECE_RECORDS
    ):
        for record in page:
            # The last record is always decoded: its time is the thread's.
            if record.type in TELLING_TYPES or record.seq == version:
                summary.apply(decode_record(record.line))
    return summary
