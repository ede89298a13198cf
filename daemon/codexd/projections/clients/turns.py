"""Events -> turns and the items in them: what a screen shows of the past.

Only items from the log are here. An item that still streams is no event yet: a client that attaches gets its start
and its text up to now (docs/explanation/decisions/0007); for a client that only reads it is added at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.commands import OpenItem
from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.values.ids import ItemId, TurnId
from codexd.core.values.items import (
    AgentMessage,
    CommandExecution,
    Reasoning,
    ThreadItem,
    TurnError,
    UserMessage,
    WebSearch,
)
from codexd.projections.clients.items import ItemDone, ItemLeft, ItemProjection
from codexd.protocol.threads import ItemsView
from codexd.protocol.turns import Turn, TurnPlan, TurnStatus


class TurnView(msgspec.Struct, gc=False):
    """A turn as it is folded; `Turn` is how it is sent."""

    turn_id: TurnId
    seq: int  # of its first event
    started_ms: int
    items: list[ThreadItem]
    item_seqs: list[int]  # of the event that completed each item
    status: TurnStatus = "inProgress"
    error: TurnError | None = None
    ended_ms: int | None = None
    plan: TurnPlan | msgspec.UnsetType = msgspec.UNSET

    def turn(self, view: ItemsView = "full") -> Turn:
        """It with all of its items, with those of a summary, or with none."""
        return Turn(
            id=self.turn_id,
            root_turn_id=self.turn_id,
            items=self._items(view),
            items_view=view,
            status=self.status,
            error=self.error,
            started_at=self.started_ms // 1000,
            completed_at=self.ended_ms // 1000 if self.ended_ms is not None else None,
            duration_ms=self.ended_ms - self.started_ms if self.ended_ms is not None else None,
            plan=self.plan if view == "full" else msgspec.UNSET,
        )

    def _items(self, view: ItemsView) -> tuple[ThreadItem, ...]:
        if view == "full":
            return tuple(self.items)
        if view == "notLoaded":
            return ()
        said = tuple(item for item in self.items if isinstance(item, UserMessage))
        last = next((item for item in reversed(self.items) if isinstance(item, AgentMessage)), None)
        return (*said, last) if last is not None else said


def _shown(opened: OpenItem) -> ThreadItem | None:
    """An item that streams, as a screen shows it."""
    if opened.kind == "message":
        return AgentMessage(id=opened.item_id, text=opened.text, started_at_ms=opened.started_ms)
    if opened.kind == "reasoning":
        return Reasoning(
            id=opened.item_id,
            summary=opened.summary,
            content=opened.content,
            started_at_ms=opened.started_ms,
        )
    if opened.kind == "search":
        return WebSearch(id=opened.item_id, started_at_ms=opened.started_ms)
    return None


def _with_output(item: ThreadItem, printed: Mapping[ItemId, str]) -> ThreadItem:
    """A command that runs, with what it has printed so far."""
    if not isinstance(item, CommandExecution):
        return item
    return replace(item, aggregated_output=printed.get(item.id) or None)


_WAYS_BACK: Final = (e.HistoryReverted, e.HistoryRevertUndone)


class TurnProjection:
    """The fold over a thread, or over a run of whole turns of it."""

    def __init__(self) -> None:
        self.seq = 0  # of the last event taken in
        self.turns: list[TurnView] = []
        self._taken: list[list[TurnView]] = []  # by each revert that was not undone
        self._screen = ItemProjection()
        self._left: dict[ItemId, tuple[TurnView, int]] = {}  # items that stay open: where they are

    @property
    def waits(self) -> bool:
        """Whether an item is open whose process goes on after its turn, or did when the records end."""
        return bool(self._left)

    @property
    def waits_since(self) -> int:
        """The beginning of the earliest turn with such an item."""
        return min((turn.seq for turn, _ in self._left.values()), default=self.seq)

    def apply(self, recorded: Recorded) -> None:
        event = recorded.event
        self.seq = recorded.seq
        if isinstance(event, e.TurnStarted):
            self.turns.append(TurnView(event.turn_id, recorded.seq, recorded.at_ms, [], []))
        shown = self._screen.apply(recorded)
        if isinstance(event, _WAYS_BACK):
            self._go_back(event)
        for change in shown:  # Also of turns that are taken back.
            if isinstance(change, ItemDone) and change.turn_id is not None:
                self._end_left(change.item)
        if not self.turns:
            return
        turn = self.turns[-1]
        for change in shown:
            if isinstance(change, ItemDone) and change.turn_id is not None:
                continue
            if isinstance(change, ItemDone | ItemLeft):
                if isinstance(change, ItemLeft):
                    self._left[change.item.id] = turn, len(turn.items)
                turn.items.append(change.item)
                turn.item_seqs.append(recorded.seq)
        match event:
            case e.PlanChanged():
                turn.plan = TurnPlan(event.plan, event.explanation)
            case e.TurnCompleted():
                turn.status, turn.ended_ms = "completed", recorded.at_ms
            case e.TurnInterrupted():
                turn.status, turn.ended_ms = "interrupted", recorded.at_ms
            case e.TurnFailed():
                turn.status, turn.ended_ms = "failed", recorded.at_ms
                turn.error = event.error
            case _:
                pass

    def end_left(self, recorded: Recorded) -> None:
        """Items that stay open are ended by an event that is not among these records."""
        if isinstance(recorded.event, e.ProcessEnded):
            changes = self._screen.apply(recorded)
        else:
            before = {item for item, (turn, _) in self._left.items() if turn.seq < recorded.seq}
            changes = self._screen.lose(recorded.at_ms, before)
        for change in changes:
            if isinstance(change, ItemDone):
                self._end_left(change.item)

    def _end_left(self, item: ThreadItem) -> None:
        """The item keeps its place in its turn, where that is here."""
        if item.id in self._left:
            turn, index = self._left.pop(item.id)
            turn.items[index] = item

    def _go_back(self, event: e.HistoryReverted | e.HistoryRevertUndone) -> None:
        """Turns are reverted, or put back in their places."""
        if isinstance(event, e.HistoryReverted):
            self._taken.append([turn for turn in self.turns if turn.seq > event.to_seq])
            self.turns = [turn for turn in self.turns if turn.seq <= event.to_seq]
        elif self._taken:
            self.turns = sorted((*self.turns, *self._taken.pop()), key=lambda turn: turn.seq)

    def show_open(self, streaming: Sequence[OpenItem]) -> None:
        """Add the items that stream in the running turn, with their present text. No event is applied after this."""
        printed = {opened.item_id: opened.text for opened in streaming if opened.kind == "call"}
        for there, index in self._left.values():
            there.items[index] = _with_output(there.items[index], printed)
        turn = self.turns[-1] if self.turns else None
        if turn is None or turn.status != "inProgress":
            return
        known = {(item.id, item.started_at_ms) for item in turn.items}
        added: list[ThreadItem] = [
            item
            for item in map(_shown, streaming)
            if item is not None and (item.id, item.started_at_ms) not in known
        ]
        added += [_with_output(item, printed) for item in self._screen.open_tools]
        turn.items += added
        turn.item_seqs += [self.seq] * len(added)
