"""The context window of a thread that is not loaded: from its newest snapshot, else from the end of its log.

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
from codexd.runtime.snapshots.load import load
from codexd.runtime.snapshots.writer import SnapshotWriter, find_folds
from codexd_eventstore.reading import records, records_back
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
    """The window by the end of the log; None where that is not enough."""
    tail = _Tail()
    async for record in records_back(log, thread_id, before=version + 1, limit=_BACK_RECORDS):
        if version - record.seq >= _BACK_RECORDS_MAX:
            return None
        if not tail.is_settled or record.type == e.InputQueued.type:
            tail.take(decode_record(record.line).event)
        if tail.suffices:
            break
    return tail.window


class _Tail:
    """The end of a log, newest first, as far back as anything of it matters."""

    def __init__(self) -> None:
        self.events: list[e.Event | e.Unknown] = []
        self.is_settled = False  # after a turn's beginning since which all is known
        self._is_known = False  # after a figure that does not depend on what was before
        self._is_counted = False  # before a figure of the provider's, after its request
        self._missing: set[ItemId] = set()  # inputs of the turns that have begun since

    @property
    def suffices(self) -> bool:
        """Whether nothing before it changes what it comes to."""
        return self.is_settled and not self._missing

    @property
    def window(self) -> ContextWindow:
        """The window at the end."""
        return functools.reduce(fold_window, reversed(self.events), ContextWindow())

    def take(self, event: e.Event | e.Unknown) -> None:
        """Take in the event before it."""
        match event:
            case e.InputQueued():
                if self.is_settled and event.item_id not in self._missing:
                    return
                self._missing.discard(event.item_id)
            case e.TurnStarted() if self._is_known:
                # Its own inputs were in the request that was counted; its window is what is needed of it.
                self.is_settled = True
            case e.TurnStarted():
                self._missing.update(event.inputs)
            case _:
                self._is_known = self._is_known or self._settles(event)
        self.events.append(event)

    def _settles(self, event: e.Event | e.Unknown) -> bool:
        match event:
            case e.HistoryReverted() | e.HistoryRevertUndone() | e.HistoryCompactionUndone():
                return True
            case e.ModelCallEnded() if read_usage(event.usage) is not None:
                self._is_counted = True
            case e.ModelCallStarted():
                counted, self._is_counted = self._is_counted, False
                return counted and event.purpose != "compact"
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                self._is_counted = False
            case _:
                pass
        return False
