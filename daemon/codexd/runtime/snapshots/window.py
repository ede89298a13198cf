"""How full the window of a thread is that is not loaded: read from the end of its log.

Law: the same as the fold of the whole log says. What a provider has counted holds all that was there when it was
asked, so nothing in front of that request matters, but the inputs that waited for their turn since.
"""

from __future__ import annotations

import functools
from typing import Final

from codexd.core.events.events import (
    Event,
    InputQueued,
    ModelCallEnded,
    ModelCallStarted,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    Unknown,
)
from codexd.core.events.record import decode_record
from codexd.core.events.revert import (
    HistoryCompactionUndone,
    HistoryReverted,
    HistoryRevertUndone,
)
from codexd.core.state.window import ContextWindow, fold_window
from codexd.core.values.ids import ItemId, ThreadId
from codexd.core.values.usage import read_usage
from codexd.runtime.snapshots.cache import KEPT_EVENTS, FoldsCache
from codexd.runtime.snapshots.steps import find_seed
from codexd_eventstore.store import EventStore

# Records read at a time: about the turns that are needed.
_BACK_RECORDS: Final = 256


@functools.cache
def _memory() -> FoldsCache[ContextWindow]:
    return FoldsCache("fill", ContextWindow)


async def fill_of(store: EventStore, thread_id: ThreadId, version: int) -> ContextWindow:
    """The fill as of a version, except for what waits in the queue. Raises: StoreError, InvalidEvent."""
    first, before = await _begin(store, thread_id, version)
    tail, at = _Tail(), version + 1
    while at > first + 1 and not tail.suffices:
        limit = min(_BACK_RECORDS, at - first - 1)
        for record in await store.read_back(thread_id, before=at, limit=limit):
            at = record.seq
            if not tail.is_settled or record.type == InputQueued.type:
                tail.take(decode_record(record.line).event)
            if tail.suffices:
                break
    if tail.suffices:
        return functools.reduce(fold_window, reversed(tail.events), ContextWindow())
    window = functools.reduce(fold_window, reversed(tail.events), before)
    # One that was folded from within does not know all that waits, and is no place to go on from.
    if version - first >= KEPT_EVENTS:
        await _memory().keep(store, thread_id, version, window)
    return window


async def _begin(store: EventStore, thread_id: ThreadId, version: int) -> tuple[int, ContextWindow]:
    """The newest fill that is kept, and where: nobody has to read further back than that."""
    kept = await _memory().find(store, thread_id)
    seed = await find_seed(store, thread_id, version)
    if kept is not None and kept.seq <= version and (seed is None or kept.seq > seed.folds.version):
        return kept.seq, kept.fold
    return (
        (0, ContextWindow()) if seed is None else (seed.folds.version, seed.folds.usage.now.window)
    )


class _Tail:
    """The end of a log, newest first, as far back as anything of it matters."""

    def __init__(self) -> None:
        self.events: list[Event | Unknown] = []
        self.is_settled = False  # behind a turn's beginning since which all is known
        self._is_known = False  # behind a figure that does not depend on what was before
        self._is_counted = False  # in front of a figure of the provider's, behind its request
        self._missing: set[ItemId] = set()  # inputs of the turns that have begun since

    @property
    def suffices(self) -> bool:
        """Whether nothing in front of it changes what it comes to."""
        return self.is_settled and not self._missing

    def take(self, event: Event | Unknown) -> None:
        """Take in the event in front of it."""
        match event:
            case InputQueued():
                if self.is_settled and event.item_id not in self._missing:
                    return
                self._missing.discard(event.item_id)
            case TurnStarted() if self._is_known:
                # Its own inputs were in the request that was counted; its window is what is needed of it.
                self.is_settled = True
            case TurnStarted():
                self._missing.update(event.inputs)
            case _:
                self._is_known = self._is_known or self._settles(event)
        self.events.append(event)

    def _settles(self, event: Event | Unknown) -> bool:
        match event:
            case HistoryReverted() | HistoryRevertUndone() | HistoryCompactionUndone():
                return True
            case ModelCallEnded() if read_usage(event.usage) is not None:
                self._is_counted = True
            case ModelCallStarted():
                counted, self._is_counted = self._is_counted, False
                return counted and event.purpose != "compact"
            case TurnCompleted() | TurnInterrupted() | TurnFailed():
                self._is_counted = False
            case _:
                pass
        return False
