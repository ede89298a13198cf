"""Events on their way into a thread's log: framed, and folded into a copy of the thread's folds.

A request's print depends on the events before it in the same append, so events are folded before they are written.
If the append fails, the copy is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import trio
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Command, Rejected
from codexd.core.events import events as e
from codexd.core.events.events import encode_event
from codexd.core.events.history import MARKERS
from codexd.core.events.record import Recorded, decode_record, encode_members
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.projections.model.history import ModelHistory
from codexd.projections.summary import Summary
from codexd.runtime.snapshots.folds import Folds
from codexd_eventstore.reading import record_at
from codexd_eventstore.store import Appended, EventStore, NewEvent, Refused, StoreError, StoreFailed


class Asked(msgspec.Struct, frozen=True):
    """A command, its sender, and its idempotency key."""

    command: Command
    by: str | None = None
    key: str | None = None


class CommandResult(msgspec.Struct, frozen=True):
    """The thread's version once the command's events are on disk."""

    version: int
    repeated: Recorded | None = None  # the key was known: what it led to the first time


class Reply:
    """The answer to a command, which its sender waits for."""

    def __init__(self) -> None:
        self.answer: CommandResult | Rejected | StoreError | None = None
        self._is_over = trio.Event()

    def __enter__(self) -> None:
        """The command is being carried out."""

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    async def receive(self) -> CommandResult | Rejected | StoreError:
        """Raises: trio.EndOfChannel: the thread died before it could answer."""
        await self._is_over.wait()
        if self.answer is None:
            raise trio.EndOfChannel
        return self.answer


def changes_nothing(state: ThreadState, command: Command) -> bool:
    """Whether it is a settings change without effect, as a frontend sends when it only attaches."""
    if state.settings is None or not isinstance(command, c.ChangeSettings):
        return False
    return command.change.differing(state.settings) is None


async def first_answer(store: EventStore, thread_id: ThreadId, key: str) -> Recorded | None:
    """The first result of a command with this key; None where there was none. Raises: StoreError.

    The texts that a command cuts off come before its own event.
    """
    span = await store.find_key(thread_id, key)
    if span is None:
        return None
    first, last = span
    recorded = decode_record((await record_at(store, thread_id, first)).line)
    while isinstance(recorded.event, e.ItemCut) and first < last:
        first += 1
        recorded = decode_record((await record_at(store, thread_id, first)).line)
    return recorded


class Tentative:
    """The folds after an append that is under way: dropped if it fails."""

    def __init__(self, folds: Folds) -> None:
        """`folds` are the thread's; they stay as they are."""
        self.folds = folds.copy()
        self.new: list[NewEvent] = []
        self.recorded: list[Recorded] = []

    def run(
        self,
        events: Sequence[e.Event],
        at_us: int,
        *,
        by: str | None,
        key: str | None,
        print_request: Callable[[ModelHistory, str], e.RequestPrint],
    ) -> None:
        """Fold the events, and frame them."""
        for event in events:
            state, history = self.folds.state, self.folds.history
            if isinstance(event, e.ModelCallStarted) and event.purpose != "compact":
                withheld = history.reasoning_owners.withheld(event.model, event.provider)
                request = replace(print_request(history, event.model), withheld=withheld)
                event = replace(event, request=request)
            first = key if not self.recorded else None
            recorded = Recorded(self.folds.version + 1, at_us // 1000, event, by, key=first)
            self.folds.apply(recorded)
            turn = self.folds.state.turn or state.turn
            turn_id = turn.turn_id if turn is not None else None
            members = encode_members(by, turn_id)
            self.new.append(NewEvent(event.type, encode_event(event), event.v, members))
            self.recorded.append(replace(recorded, turn=turn_id))

    def written(self, before: Summary, appended: Appended) -> Folds:
        """The folds after the events were written; `before` is the summary before these events.

        Where secrets were taken out of the records, state and history keep the original content: a tool runs with
        the arguments that the model gave. The summary, and a daemon that starts later, use the redacted records.
        """
        if appended.redacted:
            self.recorded = [decode_record(record.line) for record in appended.records]
            self.folds.summary = replace(before)
            for recorded in self.recorded:
                self.folds.summary.apply(recorded)
        return self.folds


def has_changed_nothing(error: StoreError) -> bool:
    """Whether log and folds are as before the append that raised the error."""
    return isinstance(error, Refused) or (isinstance(error, StoreFailed) and error.retry)


def by_turn(events: Sequence[e.Event]) -> list[list[e.Event]]:
    """The events, split after the end of a turn and after markers: a thread may be forked there, and
    not within an append.

    A daemon that dies between the parts finds the next input still queued, and continues.
    """
    parts: list[list[e.Event]] = []
    begin = True
    for event in events:
        if begin:
            parts.append([])
        parts[-1].append(event)
        begin = isinstance(event, (e.TurnCompleted, e.TurnInterrupted, e.TurnFailed, *MARKERS))
    return parts
