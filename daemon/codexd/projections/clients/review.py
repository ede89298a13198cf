"""A reviewer's events -> the notifications to the followers of the thread under review.

The notifications belong to the turn that is the review, and are not in the reviewed thread's own log. The
reviewer's prompt and answer are left out: the answer is shown as the review's result at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ApprovalId, ItemId, ThreadId
from codexd.core.values.model_output import ItemKind
from codexd.core.values.review_target import ReviewOf
from codexd.projections.clients.deltas import Texts
from codexd.projections.clients.notifications import (
    ApprovalAsked,
    ApprovalResolved,
    ClientProjection,
    ServerMessage,
)

# Beside items and questions: notifications that apply to the running turn of either thread.
_PASSED_ON = frozenset({"error", "warning", "account/rateLimits/updated", "thread/status/changed"})


class ReviewProjection:
    """The fold over one reviewer's log."""

    def __init__(self, child_id: ThreadId, reviews: ReviewOf) -> None:
        self.child_id, self.reviews = child_id, reviews
        self.seq = 0  # of the last event that was taken in
        self._wire = ClientProjection(reviews.thread_id, None)

    def copy(self) -> ReviewProjection:
        """A copy that does not change when this object does."""
        copied = copy(self)
        copied._wire = self._wire.copy()
        return copied

    @property
    def texts(self) -> Texts:
        return self._wire.texts

    @property
    def asks(self) -> dict[ApprovalId, ApprovalAsked]:
        return {key: self._theirs(asks) for key, asks in self._wire.asks.items()}

    def start_at(self, state: ThreadState, turn_so_far: Sequence[Recorded], seq: int) -> None:
        """Set the projection to the state of the reviewer's loaded thread, without notifications."""
        self._wire.start_at(state, [self._as_theirs(recorded) for recorded in turn_so_far])
        self.seq = seq

    def apply(self, recorded: Recorded) -> list[ServerMessage]:
        messages = self._wire.apply(self._as_theirs(recorded))
        self.seq = recorded.seq
        event = recorded.event
        match event:
            case e.ItemCompleted() | e.ItemCut() if event.kind == "message":
                return []
            case e.TurnStarted():
                return []
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                return [message for message in messages if isinstance(message, ApprovalResolved)]
            case _:
                return self._passed_on(messages)

    def apply_all(self, records: Sequence[Recorded]) -> list[ServerMessage]:
        return [message for recorded in records for message in self.apply(recorded)]

    def opened(self, item_id: ItemId, kind: ItemKind, at_ms: int) -> list[ServerMessage]:
        return [] if kind == "message" else [*self.texts.opened(item_id, kind, at_ms)]

    def _as_theirs(self, recorded: Recorded) -> Recorded:
        event = recorded.event
        if not isinstance(event, e.TurnStarted):
            return recorded
        return replace(recorded, event=replace(event, turn_id=self.reviews.turn_id))

    def _passed_on(self, messages: Sequence[ServerMessage]) -> list[ServerMessage]:
        passed: list[ServerMessage] = []
        for message in messages:
            if isinstance(message, ApprovalAsked):
                passed.append(self._theirs(message))
            elif (
                isinstance(message, ApprovalResolved)
                or message.method.startswith("item/")
                or message.method in _PASSED_ON
            ):
                passed.append(message)
        return passed

    def _theirs(self, asks: ApprovalAsked) -> ApprovalAsked:
        return replace(asks, asked_in=self.child_id)
