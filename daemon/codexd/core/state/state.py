"""The state of a thread for decisions, folded from its events.

`evolve` never refuses, has no clock and no I/O. The state is bounded: it holds what is open now, and no
history; the model's history and the items for clients are projections of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.events import given
from codexd.core.events.history import RevertEvent
from codexd.core.events.warnings import remembered
from codexd.core.policy.approval import session_key
from codexd.core.state.foreign import Foreign
from codexd.core.state.goal import Pursuit
from codexd.core.state.known_context import KnownContext
from codexd.core.state.pins import Pin, pins_after
from codexd.core.state.processes import OpenProcess, processes_after, with_person_command, with_pid
from codexd.core.state.queue import evolve_queue, without
from codexd.core.state.read_state import ReadState
from codexd.core.state.turn import (
    Compaction,
    ItemBirth,
    ModelCallEvent,
    ToolEvent,
    Turn,
    asked_about,
    evolve_call,
    evolve_item,
    evolve_review,
    evolve_tool,
    host_question,
)
from codexd.core.state.waiting import WaitingTurns, queued_behind, without_turn
from codexd.core.state.window import ContextWindow, fold_window
from codexd.core.values.dynamic_tools import DynamicTool
from codexd.core.values.goals import Goal
from codexd.core.values.ids import ThreadId
from codexd.core.values.limits import Limits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.settings import Settings, tuning_of
from codexd.core.values.thread_calls import Spawned
from codexd.core.values.tool_actions import AskPermissions, PersonCommand


class ThreadState(msgspec.Struct, frozen=True):
    """The state of a thread."""

    settings: Settings | None = None  # None: it does not exist yet
    name: str | None = None
    archived: bool = False
    ephemeral: bool = False
    instructions: str | None = None
    developer_instructions: str | None = None
    turn: Turn | None = None
    processes: tuple[OpenProcess, ...] = ()
    queue: tuple[e.InputQueued, ...] = ()
    waiting: WaitingTurns = ()
    allowed_for_session: frozenset[str] = frozenset()
    base_instructions: str | None = None  # the daemon's, as last sent to the model
    known_context: KnownContext = KnownContext()  # reset when the model's history loses it
    warned: tuple[str, ...] = ()  # the subjects of earlier warnings
    pursuit: Pursuit = Pursuit()
    title: e.TitleRequested | None = None  # while a model is asked for a title
    rate_limits: dict[str, str] | None = None
    window: ContextWindow = ContextWindow()
    compactions: int = 0
    pins: tuple[Pin, ...] = ()
    taken_pins: tuple[tuple[Pin, ...], ...] = ()  # the pins that each revert in force removed
    markers: int = 0  # the number of reverts and undos
    last_settings: Settings | None = None  # of the newest turn, and its limits
    last_limits: Limits = Limits()
    # The completed items of the last two model calls: a draft that a crash left may belong to
    # either, since the append that ends a call may start the next.
    ended_items: tuple[ItemBirth, ...] = ()
    ended_before: tuple[ItemBirth, ...] = ()
    turns_started: int = 0
    failed: bool = False  # the last turn failed, and none has started since
    parent: ThreadId | None = None
    reviews: ReviewOf | None = None  # it is a reviewer's
    spawned: Spawned | None = None
    fork_open: bool = False  # forked while a turn ran, which is still to be interrupted
    foreign: Foreign | None = None
    rollout: str | None = None  # the file of another program that it was read from
    read: ReadState = ReadState()
    dynamic_tools: tuple[DynamicTool, ...] = ()

    @property
    def goal(self) -> Goal | None:
        """What it pursues."""
        return self.pursuit.goal

    @property
    def in_force(self) -> Settings | None:
        """The settings of the running turn, else of the thread."""
        return self.settings if self.turn is None else self.turn.settings


def evolve(state: ThreadState, event: e.Event | e.Unknown) -> ThreadState:
    """The state after the event."""
    state = _counted(state, event)
    match event:
        case e.TurnStarted() | e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
            return _evolve_turn(state, event)
        case e.ModelCallStarted() | e.ModelCallEnded() | e.ModelCallFailed():
            return _evolve_model(state, event)
        case e.ItemCompleted() | e.ItemCut():
            return _evolve_items(state, event)
        case e.ApprovalRequested() | e.ApprovalDecided() | e.GrantsRevoked() | e.ToolTaskCreated():
            return _evolve_tools(state, event)
        case e.ToolStarted() | e.ToolSpawned() | e.ToolEnded() | e.ProcessEnded():
            return _evolve_tools(state, event)
        case e.InputQueued() | e.InputWithdrawn() | e.InputsReordered() | e.TurnSteered():
            return _evolve_input(state, event)
        case e.TurnQueued() | e.TurnWithdrawn():
            return _evolve_input(state, event)
        case e.ContextAdded():
            return replace(state, known_context=state.known_context.after(event))
        case e.ThreadWarned():
            return replace(state, warned=remembered(state.warned, event.about))
        case e.TitleRequested() | e.TitleEnded():
            return replace(state, title=event if isinstance(event, e.TitleRequested) else None)
        case e.GoalTold():
            return _with_turn(state, needs_model=True)
        case e.PlanChanged() | e.OutputKept() | e.LogRepaired() | e.Unknown() | e.GoalCleared():
            return state
        case e.HistoryInjected() | e.ReadStateSet() | e.StdinWritten() | e.GoalChanged():
            return state
        case e.CompactionStarted() | e.CompactionFailed() | e.HistoryCompacted():
            return _evolve_compaction(state, event)
        case e.PinAdded() | e.PinRemoved():
            return replace(state, pins=pins_after(state.pins, event))
        case e.HistoryReverted() | e.HistoryRevertUndone() | e.HistoryCompactionUndone():
            return _evolve_marker(state, event)
        case e.ReviewEntered() | e.ReviewExited():
            return replace(state, turn=evolve_review(state.turn, event))
        case _:
            return _evolve_thread(state, event)


def _counted(state: ThreadState, event: e.Event | e.Unknown) -> ThreadState:
    """The state with what other folds make of the event; the same object where that is nothing."""
    window, read = fold_window(state.window, event), state.read.after(event)
    pursuit = state.pursuit.after(event)
    if window is state.window and read is state.read and pursuit is state.pursuit:
        return state
    return replace(state, window=window, read=read, pursuit=pursuit)


def distrusted(before: ThreadState, after: ThreadState) -> ThreadState:
    """The state after an event that was not written here, from the state before it."""
    found = Foreign(before.settings, before.instructions, before.developer_instructions)
    return replace(after, foreign=before.foreign or found)


def fold(events: Iterable[e.Event | e.Unknown], state: ThreadState | None = None) -> ThreadState:
    """The state after all of the events."""
    state = state if state is not None else ThreadState()
    for event in events:
        state = evolve(state, event)
    return state


_ThreadEvent = (
    e.ThreadStarted
    | e.ThreadForked
    | e.ThreadRenamed
    | e.ThreadArchived
    | e.ThreadUnarchived
    | e.SettingsChanged
    | e.ThreadImported
    | e.ThreadTakenIn
)
_TurnEvent = e.TurnStarted | e.TurnCompleted | e.TurnInterrupted | e.TurnFailed


def _evolve_thread(state: ThreadState, event: _ThreadEvent) -> ThreadState:
    match event:
        case e.ThreadStarted():
            return replace(
                state,
                settings=event.settings,
                ephemeral=event.ephemeral,
                instructions=event.instructions,
                developer_instructions=event.developer_instructions,
                reviews=event.reviews,
                spawned=event.spawned,
                dynamic_tools=event.dynamic_tools,
            )
        case e.ThreadForked():
            return _forked(state, event)
        case e.ThreadRenamed():
            return replace(state, name=event.name, title=None)  # A named thread needs no title.
        case e.ThreadArchived():
            return replace(state, archived=True, title=None)
        case e.ThreadUnarchived():
            return replace(state, archived=False)
        case e.SettingsChanged():
            assert state.settings is not None, "settings of a thread that was never started"
            return replace(state, settings=event.change.applied(state.settings))
        case e.ThreadImported():
            return replace(state, rollout=event.source)
        case e.ThreadTakenIn():
            return _taken_in(state, event)
        case _:
            assert_never(event)


def _forked(state: ThreadState, event: e.ThreadForked) -> ThreadState:
    """A fork has neither the parent's name nor its session approvals.

    A fork of a reviewer's thread is an ordinary thread.
    """
    return replace(
        state,
        parent=event.parent,
        ephemeral=event.ephemeral,
        name=None,
        archived=False,
        allowed_for_session=frozenset(),
        processes=(),
        queue=(),
        waiting=(),
        title=None,
        fork_open=state.turn is not None,
        reviews=None,
    )


def _taken_in(state: ThreadState, event: e.ThreadTakenIn) -> ThreadState:
    """The state without everything that foreign records granted."""
    return replace(
        state,
        settings=event.settings,
        instructions=event.instructions,
        developer_instructions=event.developer_instructions,
        turn=None,
        processes=(),
        queue=(),
        waiting=(),
        allowed_for_session=frozenset(),
        base_instructions=None,
        known_context=KnownContext(),
        warned=(),
        title=None,
        rate_limits=None,
        reviews=None,
        fork_open=False,
        foreign=None,
        dynamic_tools=(),
    )


def _evolve_turn(state: ThreadState, event: _TurnEvent) -> ThreadState:
    match event:
        case e.TurnStarted():
            queued = next((q for q in state.queue if q.item_id in event.inputs), None)
            turn = Turn(
                event.turn_id,
                event.kind,
                event.settings,
                output_schema=given(queued.output_schema) if queued is not None else None,
                traceparent=queued.traceparent if queued is not None else None,
                limits=event.limits,
                tuning=event.tuning or tuning_of(event.settings),
                needs_model=event.kind not in ("compact", "review", "shell"),
            )
            return replace(
                state,
                turn=turn,
                # A turn of a person's command asks no model.
                last_settings=state.last_settings if event.kind == "shell" else event.settings,
                last_limits=state.last_limits if event.kind == "shell" else event.limits,
                queue=without(state.queue, event.inputs),
                waiting=without_turn(state.waiting, event.turn_id),
                turns_started=state.turns_started + 1,
                base_instructions=event.instructions or state.base_instructions,
                failed=False,
            )
        case e.TurnCompleted() | e.TurnInterrupted():
            return replace(state, turn=None, fork_open=False)
        case e.TurnFailed():
            return replace(state, turn=None, failed=True)
        case _:
            assert_never(event)


_Waits = e.InputQueued | e.InputWithdrawn | e.InputsReordered | e.TurnQueued | e.TurnWithdrawn


def _evolve_input(state: ThreadState, event: _Waits | e.TurnSteered) -> ThreadState:
    match event:
        case e.TurnQueued():
            return replace(state, waiting=queued_behind(state.waiting, event, state.queue))
        case e.TurnWithdrawn():
            return replace(state, waiting=without_turn(state.waiting, event.turn_id))
        case e.TurnSteered(cut=None):
            return _with_turn(state, needs_model=True)
        case e.TurnSteered():
            return _with_turn(state, needs_model=True, call=None)
        case _:
            return replace(state, queue=evolve_queue(state.queue, event))


def _evolve_model(state: ThreadState, event: ModelCallEvent) -> ThreadState:
    turn = state.turn
    if turn is None:
        return state
    if not isinstance(event, e.ModelCallStarted):
        limits = state.rate_limits if event.rate_limits is None else event.rate_limits
        return replace(state, turn=evolve_call(turn, event), rate_limits=limits)
    if turn.call is None or turn.call.call_id != event.call_id:
        state = replace(state, ended_items=(), ended_before=state.ended_items)
    return replace(state, turn=evolve_call(turn, event))


def _evolve_items(state: ThreadState, event: e.ItemCompleted | e.ItemCut) -> ThreadState:
    ended = (*state.ended_items, (event.item_id, event.started_ms))
    turn = evolve_item(state.turn, event) if state.turn is not None else None
    return replace(state, ended_items=ended, turn=turn)


def _evolve_tools(
    state: ThreadState, event: ToolEvent | e.ProcessEnded | e.GrantsRevoked
) -> ThreadState:
    if isinstance(event, e.GrantsRevoked):
        granted = state.allowed_for_session.difference(event.keys)
        return replace(state, allowed_for_session=granted)
    if isinstance(event, e.ProcessEnded):
        left = tuple(open_ for open_ in state.processes if open_.process != event.process)
        return replace(state, processes=left)
    if isinstance(event, e.ToolStarted) and isinstance(event.action, PersonCommand):
        processes = with_person_command(state.processes, state.turn, event)
        return replace(state, processes=processes)
    if isinstance(event, e.ToolSpawned):
        state = replace(state, processes=with_pid(state.processes, event))
    if (turn := state.turn) is None:
        return state
    if isinstance(event, e.ApprovalDecided) and event.decision == "acceptForSession":
        asked = host_question(turn, event.approval_id) or asked_about(turn, event)
        if asked is not None and asked.action is not None:
            action = asked.action
            if isinstance(action, AskPermissions) and event.granted is not None:
                action = replace(action, permissions=event.granted)
            allowed = state.allowed_for_session | {session_key(action)}
            state = replace(state, allowed_for_session=allowed)
    if isinstance(event, e.ToolEnded):
        state = replace(state, processes=processes_after(state.processes, turn, event))
    return replace(state, turn=evolve_tool(turn, event))


def _evolve_compaction(
    state: ThreadState, event: e.CompactionStarted | e.CompactionFailed | e.HistoryCompacted
) -> ThreadState:
    turn = state.turn
    match event:
        case e.CompactionStarted():
            state = _with_turn(state, compaction=Compaction(event))
            return _with_turn(state, compactions=0) if state.window.grown(None) else state
        case e.CompactionFailed():
            return _with_turn(state, compaction=None)
        case e.HistoryCompacted():
            under_way = turn.compaction if turn is not None else None
            # After a compaction before a turn, the context of the turn's beginning follows its items.
            before_turn = under_way is not None and under_way.started.phase == "pre_turn"
            state = replace(
                state,
                compactions=state.compactions + 1,
                known_context=state.known_context if before_turn else KnownContext(),
            )
            made = turn.compactions + 1 if turn is not None else 0
            return _with_turn(state, compaction=None, compactions=made, answered=False)
        case _:
            assert_never(event)


def _evolve_marker(state: ThreadState, event: RevertEvent) -> ThreadState:
    """The model's history may have lost its context; a pin is removed and restored with its record."""
    pins, taken = state.pins, state.taken_pins
    if isinstance(event, e.HistoryReverted):
        taken = (*taken, tuple(pin for pin in pins if pin.seq > event.to_seq))
        pins = tuple(pin for pin in pins if pin.seq <= event.to_seq)
    elif isinstance(event, e.HistoryRevertUndone) and taken:
        pins, taken = (*pins, *taken[-1]), taken[:-1]
    state = replace(state, known_context=KnownContext(), failed=False, markers=state.markers + 1)
    return replace(state, pins=pins, taken_pins=taken)


def _with_turn(state: ThreadState, **changes: object) -> ThreadState:
    if state.turn is None:
        return state
    return replace(state, turn=replace(state.turn, **changes))
