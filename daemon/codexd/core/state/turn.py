"""The running turn, and the effect of model and tool events on it.

It has the request that it waits for, the open tool calls, and a compaction or review in progress.
"""

from __future__ import annotations

from typing import Final, Literal, assert_never

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.policy.action_kinds import kind_of
from codexd.core.policy.permission_rules import widened
from codexd.core.values.ids import (
    ApprovalId,
    CallId,
    ItemId,
    ModelCallId,
    ThreadId,
    TurnId,
)
from codexd.core.values.limits import Limits
from codexd.core.values.provider_items import answer_text
from codexd.core.values.review_target import ReviewTarget
from codexd.core.values.settings import Settings, Tuning
from codexd.core.values.tool_actions import (
    Decision,
    ReachHost,
    ToolAction,
    ToolResult,
)


class ModelCall(msgspec.Struct, frozen=True):
    """The request to the model that the turn waits for."""

    call_id: ModelCallId
    attempt: int
    status: Literal["running", "backing_off"] = "running"
    retry_after_ms: int = 0
    request_failures: int = 0  # attempts that the provider never answered
    stream_failures: int = 0  # attempts that broke off
    compacts: bool = False  # it asks for a summary, and is not part of the history
    left_out: int = 0  # in a summary's request: how many of the oldest items did not fit


# An item and the time of its first part: some providers reuse an id with each answer.
ItemBirth = tuple[ItemId, int | None]


class OpenCall(msgspec.Struct, frozen=True):
    """A tool call without a result."""

    call_id: CallId
    name: str
    custom: bool
    action: ToolAction | None = None  # None until it is asked about or started
    approval_id: ApprovalId | None = None  # set while an approval is open
    asked_hash: str | None = None  # of the action in the question
    running: bool = False
    guarded: bool = False  # as its event says
    again: Literal["repeat", "adopt"] | None = None  # as its event says
    pid: int | None = None
    spawned_ms: int | None = None  # Unix
    task: str | None = None  # by which its server goes on with it
    first: ToolResult | None = None  # of the attempt in its sandbox, after which a person is asked

    @property
    def attempt(self) -> int:
        """The number of the attempt that runs or is asked about."""
        return 1 if self.first is None else 2


class HostQuestion(msgspec.Struct, frozen=True):
    """A question about a host that a process of a call connects to. Its answer holds for the call, within the turn."""

    approval_id: ApprovalId
    call_id: CallId
    action: ReachHost
    decision: Decision | None = None  # None: it is open


class Compaction(msgspec.Struct, frozen=True):
    """A compaction in progress."""

    started: e.CompactionStarted
    summary: str = ""  # the last message of the current response
    silent: int = 0  # responses that had no text


class Review(msgspec.Struct, frozen=True):
    """A review in progress."""

    target: ReviewTarget
    child_id: ThreadId
    child_turn_id: TurnId
    model: str | None = None
    today: str | None = None


# A provider may say after every response that the turn continues. Each costs money, and none brings anything new that a
# model would answer to; a long text in pieces needs a few.
CONTINUATIONS_MAX: Final = 32


class Turn(msgspec.Struct, frozen=True):
    """The running turn."""

    turn_id: TurnId
    kind: e.TurnKind
    settings: Settings
    calls_made: int = 0  # model calls up to now; numbers the next call
    questions: int = 0  # approval requests up to now; numbers the next request
    call: ModelCall | None = None
    open_calls: tuple[OpenCall, ...] = ()
    hosts: tuple[HostQuestion, ...] = ()  # asked about in this turn
    # Whether the model has not seen everything yet: input, or a tool's answer.
    needs_model: bool = True
    output_schema: msgspec.Raw | None = None
    traceparent: str | None = None  # of the caller
    limits: Limits = Limits()
    tuning: Tuning = Tuning()
    compaction: Compaction | None = None
    compactions: int = 0  # in this turn, since the history had last grown before one
    review: Review | None = None
    answered: bool = False  # whether the model has answered in this turn, since the last compaction
    continued: int = 0  # responses in a row that ended neither the turn nor in a tool call

    @property
    def asked(self) -> list[ToolAction | None]:
        """The actions of the open questions."""
        calls = [call.action for call in self.open_calls if call.approval_id is not None]
        return [*calls, *(question.action for question in self.hosts if question.decision is None)]

    @property
    def waits_for_person(self) -> bool:
        """Whether a question is open."""
        return bool(self.asked)


ModelCallEvent = e.ModelCallStarted | e.ModelCallEnded | e.ModelCallFailed
ToolEvent = (
    e.ApprovalRequested
    | e.ApprovalDecided
    | e.ToolStarted
    | e.ToolSpawned
    | e.ToolTaskCreated
    | e.ToolEnded
)


def evolve_call(turn: Turn, event: ModelCallEvent) -> Turn:
    """The turn after its request was sent, answered, or failed."""
    match event:
        case e.ModelCallStarted():
            return _called(turn, event)
        case e.ModelCallEnded():
            if turn.call is not None and turn.call.compacts:
                return replace(turn, call=None, compaction=_heard_out(turn.compaction))
            asks_again = event.end_turn is False and not turn.needs_model and not turn.open_calls
            continued = turn.continued + 1 if asks_again else 0
            needs_model = turn.needs_model or (
                event.end_turn is False and continued <= CONTINUATIONS_MAX
            )
            return replace(
                turn, call=None, needs_model=needs_model, answered=True, continued=continued
            )
        case e.ModelCallFailed():
            if turn.compaction is not None:  # An incomplete summary is not used.
                turn = replace(turn, compaction=replace(turn.compaction, summary=""))
            if turn.call is not None and event.will_retry:
                return replace(turn, call=_failed(turn.call, event))
            # The model has not seen the request's items.
            return replace(turn, call=None, needs_model=turn.needs_model or turn.kind != "compact")
        case _:
            assert_never(event)


def _called(turn: Turn, event: e.ModelCallStarted) -> Turn:
    before, compacts = turn.call, event.purpose == "compact"
    needs_model = turn.needs_model and compacts
    if before is None or before.call_id != event.call_id:
        call = ModelCall(event.call_id, event.attempt, compacts=compacts, left_out=event.left_out)
        return replace(turn, call=call, needs_model=needs_model, calls_made=turn.calls_made + 1)
    call = replace(before, attempt=event.attempt, status="running", retry_after_ms=0)
    if event.left_out != before.left_out:
        # This is another request, without failures.
        call = replace(call, left_out=event.left_out, request_failures=0, stream_failures=0)
    return replace(turn, call=call, needs_model=needs_model)


def _heard_out(compaction: Compaction | None) -> Compaction | None:
    if compaction is None or compaction.summary:
        return compaction
    return replace(compaction, silent=compaction.silent + 1)


def _failed(call: ModelCall, event: e.ModelCallFailed) -> ModelCall:
    return replace(
        call,
        status="backing_off",
        retry_after_ms=event.after_ms,
        request_failures=call.request_failures + (event.at == "request"),
        stream_failures=call.stream_failures + (event.at == "stream"),
    )


def evolve_item(turn: Turn, event: e.ItemCompleted | e.ItemCut) -> Turn:
    """The turn after the model completed an item: with one more call, or a part of a summary."""
    if isinstance(event, e.ItemCut):
        return turn
    if turn.call is not None and turn.call.compacts and turn.compaction is not None:
        text = answer_text(event.item)
        if not text:
            return turn
        return replace(turn, compaction=replace(turn.compaction, summary=text))
    if event.call is None:
        return turn
    made = OpenCall(event.call.call_id, event.call.name, event.call.custom)
    return replace(turn, open_calls=(*turn.open_calls, made))


def evolve_tool(turn: Turn, event: ToolEvent) -> Turn:
    """The turn after an event of a tool call."""
    match event:
        case e.ApprovalRequested() if isinstance(event.action, ReachHost):
            about = HostQuestion(event.approval_id, event.call_id, event.action)
            return replace(turn, questions=turn.questions + 1, hosts=(*turn.hosts, about))
        case e.ApprovalRequested():
            questioned = _with_call(
                replace(turn, questions=turn.questions + 1),
                event.call_id,
                action=event.action,
                approval_id=event.approval_id,
                asked_hash=event.action_hash,
            )
            if event.first is None:
                return questioned
            return _attempted(questioned, event.call_id, event.first)
        case e.ApprovalDecided():
            if host_question(turn, event.approval_id) is not None:
                return _host_decided(turn, event)
            asked = asked_about(turn, event)
            if event.granted is not None:
                turn = replace(turn, settings=widened(turn.settings, (event.granted,)))
            return turn if asked is None else _with_call(turn, asked.call_id, approval_id=None)
        case e.ToolStarted():
            return _with_call(
                turn,
                event.call_id,
                action=event.action,
                running=True,
                guarded=event.guarded,
                again=event.again,
            )
        case e.ToolTaskCreated():
            return _with_call(turn, event.call_id, task=event.task)
        case e.ToolSpawned():
            return _with_call(turn, event.call_id, pid=event.pid, spawned_ms=event.at_ms)
        case e.ToolEnded():
            return _without_call(turn, event.call_id)
        case _:
            assert_never(event)


def _without_call(turn: Turn, call_id: CallId) -> Turn:
    left = tuple(call for call in turn.open_calls if call.call_id != call_id)
    return replace(turn, open_calls=left, needs_model=True)


def _attempted(turn: Turn, call_id: CallId, first: ToolResult) -> Turn:
    """The turn after a call's first attempt, of which nothing runs any more."""
    return _with_call(
        turn, call_id, running=False, again=None, pid=None, spawned_ms=None, first=first
    )


def waits_for_another(turn: Turn, call: OpenCall) -> bool:
    """Whether an earlier call that has no answer yet needs for itself what this call needs, too: a file, a server."""
    needed = _needed_by(call)
    if not needed:
        return False
    earlier = turn.open_calls[: turn.open_calls.index(call)]
    return any(needed & _needed_by(other) for other in earlier)


def _needed_by(call: OpenCall) -> frozenset[str]:
    return frozenset() if call.action is None else kind_of(call.action).needs_alone(call.action)


def evolve_review(turn: Turn | None, event: e.ReviewEntered | e.ReviewExited) -> Turn | None:
    """The turn after a review began or ended; an imported review needs no waiting."""
    if turn is None:
        return None
    match event:
        case e.ReviewEntered():
            target, child, child_turn = event.target, event.child_id, event.child_turn_id
            if target is None or child is None or child_turn is None:
                return turn
            return replace(turn, review=Review(target, child, child_turn, event.model, event.today))
        case e.ReviewExited():
            return replace(turn, review=None)
        case _:
            assert_never(event)


def asked_about(turn: Turn, event: e.ApprovalDecided) -> OpenCall | None:
    """The call of an approval."""
    return next((c for c in turn.open_calls if c.approval_id == event.approval_id), None)


def host_question(turn: Turn | None, approval_id: ApprovalId) -> HostQuestion | None:
    """The open question about a host with this id."""
    hosts = turn.hosts if turn is not None else ()
    return next((q for q in hosts if q.approval_id == approval_id and q.decision is None), None)


def _host_decided(turn: Turn, event: e.ApprovalDecided) -> Turn:
    if event.note is not None:  # No person has answered: the next connection asks again.
        left = tuple(q for q in turn.hosts if q.approval_id != event.approval_id)
        return replace(turn, hosts=left)
    return replace(
        turn,
        hosts=tuple(
            replace(question, decision=event.decision)
            if question.approval_id == event.approval_id
            else question
            for question in turn.hosts
        ),
    )


def _with_call(turn: Turn, call_id: CallId, **changes: object) -> Turn:
    calls = tuple(
        replace(call, **changes) if call.call_id == call_id else call for call in turn.open_calls
    )
    return replace(turn, open_calls=calls)
