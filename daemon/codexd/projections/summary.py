"""Events -> the row of a thread in a list: its name, its beginning, its times, where and with what it works."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from codexd.core.events import events as e
from codexd.core.events.history import MARKER_TYPES, RevertEvent
from codexd.core.events.record import Recorded
from codexd.core.events.title import request_in
from codexd.core.state.read_state import ReadState
from codexd.core.state.visibility import Reverts
from codexd.core.values.items import plain_text
from codexd.core.values.session_source import OF_CLIENTS, TITLE_THREAD, WORDS
from codexd.core.values.settings import Settings
from codexd.projections.usage.spent import SPENDING_TYPES, UsageByDay

# A preview is one line of a list on a wide screen, not a message.
PREVIEW_CHARACTERS_MAX = 500


class RevertedRange(NamedTuple):
    """The changes of a summary by a revert, until it is undone."""

    turns: int  # the number of reverted turns
    preview: str  # as it was, where no turn was left


class Brought(NamedTuple):
    """Where a thread's past comes from that was not written here."""

    origin: str
    source: str | None
    at_ms: int
    dropped: tuple[str, ...] = ()


class Summary(msgspec.Struct):
    """A thread's entry in lists. A fold: `apply` takes events, in order."""

    seq: int = 0  # of the last event taken in
    started: e.ThreadStarted | None = None
    settings: Settings | None = None
    created_ms: int = 0
    updated_ms: int = 0
    preview: str = ""
    spending: UsageByDay = UsageByDay()
    name: str | None = None
    archived: bool = False
    ephemeral: bool = False
    forked_from: str | None = None
    agent: str | None = None  # the kind of the agent of another program that it is of
    parent: str | None = None  # the thread that the agent worked for
    turns: int = 0  # those that count
    failed: bool = False
    reverts: Reverts = Reverts()  # which of its records do not count
    brought: Brought | None = None
    taken: tuple[RevertedRange, ...] = ()  # by each revert that was not undone, oldest first
    running: bool = False  # a turn has begun, and has not ended
    queued: tuple[
        str, ...
    ] = ()  # ids of the inputs that wait, and of the turns that wait without any
    read: ReadState = ReadState()
    source: str = OF_CLIENTS  # the kind of program that began it
    begun: bool = False  # something was said or done in it; else it is in no list

    def apply(self, recorded: Recorded) -> None:
        event = recorded.event
        self.seq, self.updated_ms = recorded.seq, recorded.at_ms
        self.spending = self.spending.after(recorded)
        self.read = self.read.after(event)
        match event:
            case e.ThreadStarted() | e.ThreadForked():
                self._made(event, recorded.at_ms)
            case e.ThreadRenamed():
                self.name = event.name
            case e.ThreadArchived() | e.ThreadUnarchived():
                self.archived = isinstance(event, e.ThreadArchived)
            case e.SettingsChanged():
                if self.settings is not None:
                    self.settings = event.change.applied(self.settings)
            case e.InputQueued():
                self.queued, self.begun = (*self.queued, event.item_id), True
                self._begin(lambda: request_in(plain_text(event.content)))
            case e.ReviewEntered():
                self._begin(lambda: f"review of: {event.review}")
            case e.TurnQueued():
                self.queued = (*self.queued, event.turn_id)
            case e.InputWithdrawn(item_id=gone) | e.TurnWithdrawn(turn_id=gone):
                self.queued = tuple(waits for waits in self.queued if waits != gone)
            case e.TurnStarted():
                self.turns, self.failed, self.running = self.turns + 1, False, True
                self.begun = True
                begun = (event.turn_id, *event.inputs)
                self.queued = tuple(waits for waits in self.queued if waits not in begun)
            case e.TurnCompleted() | e.TurnInterrupted():
                self.running = False
            case e.TurnFailed():
                self.failed, self.running = True, False
            case e.ThreadImported() | e.ThreadTakenIn():
                self._came_in(event, recorded.at_ms)
            case e.HistoryReverted() | e.HistoryRevertUndone() | e.HistoryCompactionUndone():
                self._mark(recorded.seq, event)
            case _:
                pass

    def _made(self, event: e.ThreadStarted | e.ThreadForked, at_ms: int) -> None:
        self.created_ms, self.ephemeral, self.source = at_ms, event.ephemeral, OF_CLIENTS
        if isinstance(event, e.ThreadStarted):
            self.started, self.settings = event, event.settings
            self.source = event.source or OF_CLIENTS
            self.parent = None if event.spawned is None else event.spawned.thread_id
            return
        # A fork is a thread of its own: created now, unnamed, and listed even if its parent is not.
        self.forked_from, self.name, self.archived = event.parent, None, False
        self.queued, self.agent, self.parent = (), None, None

    def _begin(self, text: Callable[[], str]) -> None:
        if not self.preview:
            self.preview = text()[:PREVIEW_CHARACTERS_MAX]

    def _came_in(self, event: e.ThreadImported | e.ThreadTakenIn, at_ms: int) -> None:
        self.begun = True
        if isinstance(event, e.ThreadImported):
            named = self.started.thread_source if self.started is not None else None
            if self.started is not None and self.started.source is None and named in WORDS:
                self.source = named  # An import of before has it there.
            self.brought = Brought("rollout", event.source, event.at_ms or at_ms)
            self.agent, self.parent = event.agent, event.parent
            return
        self.settings, self.running, self.queued = event.settings, False, ()
        self.brought = Brought(event.origin, event.source, at_ms, event.dropped)

    def _mark(self, seq: int, event: RevertEvent) -> None:
        self.reverts, self.failed = self.reverts.after(seq, event), False
        match event:
            case e.HistoryReverted():
                taken = RevertedRange(event.turns, "" if event.turns_left else self.preview)
                self.taken, self.turns = (*self.taken, taken), event.turns_left
                # What a thread that was begun again is about is what it is asked first then.
                self.preview = self.preview if event.turns_left else ""
            case e.HistoryRevertUndone() if self.taken:
                taken = self.taken[-1]
                self.taken, self.turns = self.taken[:-1], self.turns + taken.turns
                self.preview = taken.preview or self.preview
            case _:
                pass

    @property
    def has_work(self) -> bool:
        """Whether a daemon that starts has something to do in it without being asked."""
        return (self.running or bool(self.queued)) and not self.archived

    @property
    def hidden(self) -> bool:
        """Whether it is an agent's or a reviewer's: part of another thread, and no thread to go on with."""
        return self.agent is not None or (
            self.started is not None
            and self.started.reviews is not None
            and self.forked_from is None
            and self.brought is None
        )

    @property
    def makes_title(self) -> bool:
        """Whether a client began it only to ask for the title of another thread."""
        named = self.started.thread_source if self.started is not None else None
        return self.ephemeral and named == TITLE_THREAD

    @property
    def git(self) -> e.GitHead | None:
        """The repository's commit when the thread began."""
        return self.started.git if self.started is not None else None


# Types of record that a summary depends on: the others need no decoding.
TELLING_TYPES = MARKER_TYPES | frozenset(
    kind.type
    for kind in (
        e.ThreadStarted,
        e.ThreadForked,
        e.ThreadRenamed,
        e.ThreadArchived,
        e.ThreadUnarchived,
        e.SettingsChanged,
        e.InputQueued,
        e.InputWithdrawn,
        e.ReadStateSet,
        e.TurnQueued,
        e.TurnWithdrawn,
        e.ReviewEntered,
        e.TurnStarted,
        e.TurnCompleted,
        e.TurnInterrupted,
        e.TurnFailed,
        e.ThreadImported,
        e.ThreadTakenIn,
    )
).union(SPENDING_TYPES)
