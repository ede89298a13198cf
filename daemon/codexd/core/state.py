"""What decisions need to know of a thread, folded from its events.

`evolve` never refuses, has no clock and no I/O. The state is bounded: it holds what is open now, not what
has been; the model's history and the screens are projections of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, assert_never

import msgspec
from msgspec.structs import replace

from codexd.core.calls import ToolAction
from codexd.core.events import (
    ContextAdded,
    Event,
    InputQueued,
    InputWithdrawn,
    ItemCompleted,
    ItemCut,
    LogRepaired,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
    SettingsChanged,
    ThreadArchived,
    ThreadForked,
    ThreadRenamed,
    ThreadStarted,
    ThreadUnarchived,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnKind,
    TurnStarted,
    TurnSteered,
    Unknown,
    given,
)
from codexd.core.ids import ApprovalId, CallId, ItemId, ModelCallId, ThreadId, TurnId
from codexd.core.limits import Limits
from codexd.core.marks import HistoryCompacted, ReviewEntered, ReviewExited, ThreadImported
from codexd.core.policy import session_key
from codexd.core.settings import Settings, Tuning, tuning_of
from codexd.core.titles import TitleEnded, TitleRequested
from codexd.core.told import Told
from codexd.core.tool_events import (
    ApprovalDecided,
    ApprovalRequested,
    ToolEnded,
    ToolSpawned,
    ToolStarted,
)
from codexd.core.warned import ThreadWarned, remembered


class ModelCall(msgspec.Struct, frozen=True):
    """The request to the model that the turn waits for."""

    call_id: ModelCallId
    attempt: int
    status: Literal["running", "backing_off"] = "running"
    retry_after_ms: int = 0
    request_failures: int = 0  # attempts that the provider never answered
    stream_failures: int = 0  # attempts that broke off


# An item and the time of its first part: some providers use an id again with each answer.
ItemBirth = tuple[ItemId, int | None]


class OpenCall(msgspec.Struct, frozen=True):
    """A tool call that has no answer yet."""

    call_id: CallId
    name: str
    custom: bool
    action: ToolAction | None = None  # None until it is asked for or started
    approval_id: ApprovalId | None = None  # set while a person is being asked
    running: bool = False
    pid: int | None = None


class Turn(msgspec.Struct, frozen=True):
    """The turn that runs."""

    turn_id: TurnId
    kind: TurnKind
    settings: Settings
    calls_made: int = 0  # model calls so far; numbers the next one
    call: ModelCall | None = None
    open_calls: tuple[OpenCall, ...] = ()
    owed: bool = True  # whether the model has yet to see something: input, or a tool's answer
    output_schema: msgspec.Raw | None = None
    limits: Limits = Limits()
    tuning: Tuning = Tuning()


class ThreadState(msgspec.Struct, frozen=True):
    """A thread as decisions see it."""

    settings: Settings | None = None  # None: it does not exist yet
    name: str | None = None
    archived: bool = False
    ephemeral: bool = False
    instructions: str | None = None
    developer_instructions: str | None = None
    turn: Turn | None = None
    queue: tuple[InputQueued, ...] = ()
    allowed_for_session: frozenset[str] = frozenset()
    base_instructions: str | None = None  # the daemon's, as the model was last told them
    told: Told = Told()  # of its surroundings; forgotten where the model's history is
    warned: tuple[str, ...] = ()  # what a person was told once
    title: TitleRequested | None = None  # that a model is being asked for
    rate_limits: dict[str, str] | None = None
    # The items that have their fact, of the last model call and of the one before: a draft that a crash
    # left may be one of theirs, since the append that ends the one call may start the next.
    ended_items: tuple[ItemBirth, ...] = ()
    ended_before: tuple[ItemBirth, ...] = ()
    turns_started: int = 0
    failed: bool = False  # the last turn failed, and none has started since
    parent: ThreadId | None = None
    fork_open: bool = False  # forked, and not yet settled after it


def evolve(state: ThreadState, event: Event | Unknown) -> ThreadState:
    """The state after the event."""
    match event:
        case TurnStarted() | TurnCompleted() | TurnInterrupted() | TurnFailed() | TurnSteered():
            return _evolve_turn(state, event)
        case ModelCallStarted() | ModelCallEnded() | ModelCallFailed():
            return _evolve_model(state, event)
        case ItemCompleted() | ItemCut():
            return _evolve_items(state, event)
        case ApprovalRequested() | ApprovalDecided() | ToolStarted() | ToolSpawned() | ToolEnded():
            return _evolve_tools(state, event)
        case InputQueued():
            return replace(state, queue=(*state.queue, event))
        case InputWithdrawn():
            return replace(state, queue=_without(state.queue, (event.item_id,)))
        case ContextAdded():
            return replace(state, told=state.told.heard(event))
        case ThreadWarned():
            return replace(state, warned=remembered(state.warned, event.about))
        case TitleRequested():
            return replace(state, title=event)
        case TitleEnded():
            return replace(state, title=None)
        case LogRepaired() | Unknown():
            return state
        case HistoryCompacted() | ReviewEntered() | ReviewExited() | ThreadImported():
            return state
        case _:
            return _evolve_thread(state, event)


def fold(events: Iterable[Event | Unknown], state: ThreadState | None = None) -> ThreadState:
    """The state after all of the events."""
    state = state if state is not None else ThreadState()
    for event in events:
        state = evolve(state, event)
    return state


_ThreadEvent = (
    ThreadStarted
    | ThreadForked
    | ThreadRenamed
    | ThreadArchived
    | ThreadUnarchived
    | SettingsChanged
)
_TurnEvent = TurnStarted | TurnCompleted | TurnInterrupted | TurnFailed | TurnSteered
_ModelEvent = ModelCallStarted | ModelCallEnded | ModelCallFailed
_ToolEvent = ApprovalRequested | ApprovalDecided | ToolStarted | ToolSpawned | ToolEnded


def _evolve_thread(state: ThreadState, event: _ThreadEvent) -> ThreadState:
    match event:
        case ThreadStarted():
            return replace(
                state,
                settings=event.settings,
                ephemeral=event.ephemeral,
                instructions=event.instructions,
                developer_instructions=event.developer_instructions,
            )
        case ThreadForked():
            # The parent's name, and what a person allowed there, stay with the parent.
            return replace(
                state,
                parent=event.parent,
                ephemeral=event.ephemeral,
                name=None,
                archived=False,
                allowed_for_session=frozenset(),
                queue=(),
                title=None,
                fork_open=state.turn is not None,
            )
        case ThreadRenamed():
            return replace(state, name=event.name, title=None)  # A name makes it needless.
        case ThreadArchived():
            return replace(state, archived=True, title=None)
        case ThreadUnarchived():
            return replace(state, archived=False)
        case SettingsChanged():
            assert state.settings is not None, "settings of a thread that was never started"
            return replace(state, settings=event.change.applied(state.settings))
        case _:
            assert_never(event)


def _evolve_turn(state: ThreadState, event: _TurnEvent) -> ThreadState:
    match event:
        case TurnStarted():
            queued = next((q for q in state.queue if q.item_id in event.inputs), None)
            turn = Turn(
                event.turn_id,
                event.kind,
                event.settings,
                output_schema=given(queued.output_schema) if queued is not None else None,
                limits=event.limits,
                tuning=event.tuning or tuning_of(event.settings),
            )
            return replace(
                state,
                turn=turn,
                queue=_without(state.queue, event.inputs),
                turns_started=state.turns_started + 1,
                base_instructions=event.instructions or state.base_instructions,
                failed=False,
            )
        case TurnSteered():
            return _with_turn(state, owed=True)
        case TurnCompleted() | TurnInterrupted():
            return replace(state, turn=None, fork_open=False)
        case TurnFailed():
            return replace(state, turn=None, failed=True)
        case _:
            assert_never(event)


def _evolve_model(state: ThreadState, event: _ModelEvent) -> ThreadState:
    turn = state.turn
    if turn is None:
        return state
    match event:
        case ModelCallStarted():
            before = turn.call
            if before is not None and before.call_id == event.call_id:
                call = replace(before, attempt=event.attempt, status="running", retry_after_ms=0)
                return _with_turn(state, call=call, owed=False)
            state = replace(state, ended_items=(), ended_before=state.ended_items)
            call = ModelCall(event.call_id, event.attempt)
            return _with_turn(state, call=call, owed=False, calls_made=turn.calls_made + 1)
        case ModelCallEnded():
            return _with_limits(_with_turn(state, call=None), event.rate_limits)
        case ModelCallFailed():
            before = turn.call if event.will_retry else None
            waiting = _failed(before, event) if before is not None else None
            return _with_limits(_with_turn(state, call=waiting), event.rate_limits)
        case _:
            assert_never(event)


def _evolve_items(state: ThreadState, event: ItemCompleted | ItemCut) -> ThreadState:
    ended = (*state.ended_items, (event.item_id, event.started_ms))
    state = replace(state, ended_items=ended)
    if isinstance(event, ItemCut) or event.call is None or state.turn is None:
        return state
    made = OpenCall(event.call.call_id, event.call.name, event.call.custom)
    return _with_turn(state, open_calls=(*state.turn.open_calls, made))


def _with_limits(state: ThreadState, limits: dict[str, str] | None) -> ThreadState:
    return state if limits is None else replace(state, rate_limits=limits)


def _failed(call: ModelCall, event: ModelCallFailed) -> ModelCall:
    return replace(
        call,
        status="backing_off",
        retry_after_ms=event.after_ms,
        request_failures=call.request_failures + (event.at == "request"),
        stream_failures=call.stream_failures + (event.at == "stream"),
    )


def _evolve_tools(state: ThreadState, event: _ToolEvent) -> ThreadState:
    turn = state.turn
    if turn is None:
        return state
    match event:
        case ApprovalRequested():
            return _with_call(
                state, event.call_id, action=event.action, approval_id=event.approval_id
            )
        case ApprovalDecided():
            asked = next((c for c in turn.open_calls if c.approval_id == event.approval_id), None)
            if asked is None:
                return state
            if event.decision == "acceptForSession" and asked.action is not None:
                allowed = state.allowed_for_session | {session_key(asked.action)}
                state = replace(state, allowed_for_session=allowed)
            return _with_call(state, asked.call_id, approval_id=None)
        case ToolStarted():
            return _with_call(state, event.call_id, action=event.action, running=True)
        case ToolSpawned():
            return _with_call(state, event.call_id, pid=event.pid)
        case ToolEnded():
            left = tuple(c for c in turn.open_calls if c.call_id != event.call_id)
            return _with_turn(state, open_calls=left, owed=True)
        case _:
            assert_never(event)


def _with_turn(state: ThreadState, **changes: object) -> ThreadState:
    if state.turn is None:
        return state
    return replace(state, turn=replace(state.turn, **changes))


def _with_call(state: ThreadState, call_id: CallId, **changes: object) -> ThreadState:
    if state.turn is None:
        return state
    calls = tuple(
        replace(call, **changes) if call.call_id == call_id else call
        for call in state.turn.open_calls
    )
    return _with_turn(state, open_calls=calls)


def _without(
    queue: tuple[InputQueued, ...], item_ids: tuple[ItemId, ...]
) -> tuple[InputQueued, ...]:
    return tuple(queued for queued in queue if queued.item_id not in item_ids)
