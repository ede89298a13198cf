"""Rules for what goes on beside turns: inputs and turns that wait, what was seen, and titles that a model makes."""

from __future__ import annotations

from collections import Counter
from typing import Final, assert_never

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Rejected, ReportTitle
from codexd.core.decide.lookups import Titles
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e
from codexd.core.events.events import or_nothing
from codexd.core.events.title import PROMPT_CHARACTERS_MAX, request_in, title_of
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import TurnId
from codexd.core.values.items import TextInput, UserInput, plain_text

OnHold = c.WithdrawInput | c.ReviseInput | c.ReorderInputs | c.MarkRead | c.InjectItems
# The words by which clients of Codex know that another client has marked the thread meanwhile.
READ_STATE_CHANGED: Final = "read_state_conflict"
# Inputs and turns that may wait for a running turn: enough for a person's evening, and a bound for a program's mistake.
QUEUE_TURNS_MAX = 64


def decide_on_hold(transition: Transition, command: OnHold) -> None:
    """Raises: Rejected."""
    match command:
        case c.WithdrawInput():
            queued_input(transition, command.item_id)
            transition.add(e.InputWithdrawn(command.item_id))
        case c.ReviseInput():
            _revise(transition, command)
        case c.ReorderInputs():
            _reorder(transition, command)
        case c.MarkRead():
            _mark(transition, command)
        case c.InjectItems():
            transition.add(e.HistoryInjected(command.items))
        case _:
            assert_never(command)


def queued_input(transition: Transition, item_id: str) -> e.InputQueued:
    """The input that waits. Raises: Rejected."""
    for queued in transition.state.queue:
        if queued.item_id == item_id:
            return queued
    raise Rejected("input_not_queued", f"queued submission not found: {item_id}")


def refuse_empty(content: tuple[UserInput, ...]) -> None:
    """Raises: Rejected, for an input without a word and without an attachment."""
    if all(isinstance(part, TextInput) and not part.text.strip() for part in content):
        raise Rejected(
            "empty_input", "expected a prompt, found no text and no attachment: nothing was sent"
        )


def _revise(transition: Transition, command: c.ReviseInput) -> None:
    """Withdraw the input and queue it again, in its old place: readers of a log know both."""
    queued, before = queued_input(transition, command.item_id), transition.state.queue
    refuse_empty(command.content)
    metadata = command.client_metadata or queued.client_metadata
    revised = replace(queued, content=command.content, client_metadata=metadata)
    transition.add(e.InputWithdrawn(queued.item_id))
    transition.add(revised)
    order = tuple(waiting.item_id for waiting in before)
    if order[-1] != queued.item_id:
        transition.add(e.InputsReordered(order))


def _reorder(transition: Transition, command: c.ReorderInputs) -> None:
    order = tuple(queued.item_id for queued in transition.state.queue)
    if Counter(order) != Counter(command.item_ids):
        raise Rejected(
            "queue_changed",
            "queue reorder must include every queued submission exactly once: "
            f"{len(order)} wait, {len(command.item_ids)} were named; nothing was changed",
        )
    if order != command.item_ids:
        transition.add(e.InputsReordered(command.item_ids))


def _mark(transition: Transition, command: c.MarkRead) -> None:
    """Mark it, unless it is marked so already: two clients of one thread do it after each of its turns."""
    read = transition.state.read
    if not read.revision:
        raise Rejected("read_state_unavailable", "thread read state unavailable")
    if command.unread == (read.first_unread is not None):
        return
    if command.revision != read.revision:
        raise Rejected(READ_STATE_CHANGED, "read state changed")
    transition.add(e.ReadStateSet(command.unread))


def refuse_if_full(transition: Transition) -> None:
    """Raises: Rejected."""
    if len(transition.state.queue) + len(transition.state.waiting) >= QUEUE_TURNS_MAX:
        raise Rejected(
            "queue_full",
            f"{QUEUE_TURNS_MAX} inputs already wait for their turn: this input was not accepted",
        )


def must_wait(state: ThreadState) -> bool:
    """Whether a turn that begins comes after others."""
    return state.turn is not None or bool(state.queue or state.waiting)


def queue_turn(transition: Transition, queued: e.TurnQueued) -> None:
    """Let a turn wait for those before it. Raises: Rejected."""
    refuse_if_full(transition)
    transition.add(queued)


def withdraw_turn(transition: Transition, turn_id: TurnId | None) -> bool:
    """Withdraw what a waiting turn would begin with; False if no such turn waits."""
    for queued in transition.state.queue:
        if queued.turn_id == turn_id:
            transition.add(e.InputWithdrawn(queued.item_id))
            return True
    for entry in transition.state.waiting:
        if entry.queued.turn_id == turn_id:
            transition.add(e.TurnWithdrawn(entry.queued.turn_id))
            return True
    return False


def withdraw_all(transition: Transition) -> None:
    """Nothing that waits will run."""
    for queued in transition.state.queue:
        transition.add(e.InputWithdrawn(queued.item_id))
    for entry in transition.state.waiting:
        transition.add(e.TurnWithdrawn(entry.queued.turn_id))


def request_title(transition: Transition, queued: e.InputQueued, titles: Titles | None) -> None:
    """With a thread's first turn: request a title for its prompt, unless the thread has a name."""
    state, prompt = transition.state, request_in(plain_text(queued.content))
    if titles is None or state.settings is None or state.turns_started > 1:
        return
    if state.name is not None or state.ephemeral or not title_of(prompt):
        return
    model = titles.model or state.settings.model
    transition.add(e.TitleRequested(prompt[:PROMPT_CHARACTERS_MAX], model, state.settings.provider))


def end_title(transition: Transition, command: ReportTitle) -> None:
    """The request has ended; ignored if a person has named the thread meanwhile."""
    if transition.state.title is None:
        return
    transition.add(e.TitleEnded(command.duration_ms, or_nothing(command.usage), command.error))
    title = title_of(command.title or "")
    if title:
        transition.add(e.ThreadRenamed(title))


def give_title_up(transition: Transition) -> None:
    """End a request of a dead daemon: a title is not worth a second request."""
    if transition.state.title is not None:
        transition.add(
            e.TitleEnded(error="the daemon was restarted while a model was asked for a title")
        )
