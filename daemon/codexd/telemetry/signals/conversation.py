"""The state of a thread as far as its telemetry depends on it: a fold from the beginning of the running turn."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.policy.action_kinds import request_for
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import McpToolCall, ToolAction
from codexd.core.values.trace import SpanPlace, call_place, read_traceparent, tool_place, turn_place
from codexd.core.values.usage import read_usage


class CallInFlight(msgspec.Struct, frozen=True, gc=False):
    """A request to the model."""

    call_id: str
    attempt: int
    model: str
    provider: str
    purpose: str
    started_ms: int


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A call of a tool that is not answered yet."""

    call_id: str  # ours
    given_id: str  # the model's
    name: str
    arguments: str
    began_ms: int
    decided: bool = False  # the decision whether it may run has been sent
    mcp_server: str | None = None


class Turn(msgspec.Struct, frozen=True):
    """The running turn."""

    turn_id: str
    kind: str
    started_ms: int
    place: SpanPlace
    parent: SpanPlace | None
    calls: int = 0  # requests to the model
    tools: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    first_ms: int | None = None  # from its start until the model's first output


class _Arguments(msgspec.Struct, frozen=True):
    arguments: str | msgspec.Raw = ""
    input: str | msgspec.Raw = ""
    action: msgspec.Raw = msgspec.Raw(b"")


class Conversation:
    """One thread."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.originator: str | None = None
        self.settings: Settings | None = None
        self.turn: Turn | None = None
        self.call: CallInFlight | None = None
        self.tools: dict[str, ToolCall] = {}
        self.results = 0  # of tools, since the thread was looked at
        self._asked: dict[str, tuple[str, ToolAction]] = {}  # open questions
        self._parents: dict[str, SpanPlace] = {}  # of queued turns, by turn

    @property
    def place(self) -> SpanPlace | None:
        """The span of the running turn."""
        return self.turn.place if self.turn is not None else None

    def place_of_call(self) -> SpanPlace | None:
        """The span of the request in flight."""
        if self.turn is None or self.call is None:
            return None
        call = self.call
        return call_place(self.turn.place, self.thread_id, call.call_id, call.attempt)

    def place_of_tool(self, call_id: str) -> SpanPlace | None:
        """The span of a tool call."""
        if self.turn is None:
            return None
        return tool_place(self.turn.place, self.thread_id, call_id)

    def asked_about(self, approval_id: str) -> ToolCall | None:
        """The call that a question is about."""
        asked = self._asked.get(approval_id)
        return self.tools.get(asked[0]) if asked is not None else None

    def apply(self, recorded: Recorded) -> None:
        """Fold one record."""
        event = recorded.event
        match event:
            case e.ThreadStarted():
                self.originator, self.settings = event.originator, event.settings
            case e.SettingsChanged() if self.settings is not None:
                self.settings = event.change.applied(self.settings)
            case e.InputQueued():
                parent = read_traceparent(event.traceparent)
                if parent is not None:
                    self._parents[event.turn_id] = parent
            case e.TurnStarted():
                self._begin_turn(event, recorded.at_ms)
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                self.turn, self.call = None, None
                self.tools.clear()
                self._asked.clear()
            case _:
                self._within_turn(recorded)

    def _begin_turn(self, event: e.TurnStarted, at_ms: int) -> None:
        self.settings = event.settings
        parent = self._parents.pop(event.turn_id, None)
        place = turn_place(self.thread_id, event.turn_id, parent)
        self.turn = Turn(event.turn_id, event.kind, at_ms, place, parent)

    def _within_turn(self, recorded: Recorded) -> None:
        event, at_ms = recorded.event, recorded.at_ms
        match event:
            case e.ModelCallStarted():
                self._begin_call(event, at_ms)
            case e.ModelCallEnded():
                self._count(event)
                self.call = None
            case e.ModelCallFailed() | e.TurnSteered(cut=str()):
                self.call = None
            case e.ItemCompleted() if event.call is not None:
                ref = event.call
                self.tools[ref.call_id] = ToolCall(
                    ref.call_id,
                    ref.answers or ref.call_id,
                    ref.name,
                    arguments_in(event.item),
                    at_ms,
                )
            case e.ApprovalRequested():
                self._asked[event.approval_id] = event.call_id, event.action
            case e.ApprovalDecided():
                asked = self._asked.pop(event.approval_id, None)
                if asked is not None and asked[0] in self.tools:
                    self.tools[asked[0]] = replace(self.tools[asked[0]], decided=True)
            case e.ToolStarted() if event.call_id in self.tools:
                self._start_tool(event, at_ms)
            case e.ToolEnded():
                self.tools.pop(event.call_id, None)
                self.results += 1
                if self.turn is not None:
                    self.turn = replace(self.turn, tools=self.turn.tools + 1)

    def _begin_call(self, event: e.ModelCallStarted, at_ms: int) -> None:
        self.call = CallInFlight(
            event.call_id, event.attempt, event.model, event.provider, event.purpose, at_ms
        )
        if self.turn is not None:
            self.turn = replace(self.turn, calls=self.turn.calls + 1)

    def _start_tool(self, event: e.ToolStarted, at_ms: int) -> None:
        server = event.action.server if isinstance(event.action, McpToolCall) else None
        began_ms = self.tools[event.call_id].began_ms if event.again else at_ms
        self.tools[event.call_id] = replace(
            self.tools[event.call_id], decided=True, began_ms=began_ms, mcp_server=server
        )

    def _count(self, event: e.ModelCallEnded) -> None:
        turn, call = self.turn, self.call
        if turn is None or call is None:
            return
        first = event.exchange.first_ms if event.exchange is not None else None
        if first is not None and turn.first_ms is None:
            turn = replace(turn, first_ms=max(call.started_ms - turn.started_ms, 0) + first)
        tokens = read_usage(event.usage)
        if tokens is not None:
            turn = replace(
                turn,
                input_tokens=turn.input_tokens + tokens.input_tokens,
                output_tokens=turn.output_tokens + tokens.output_tokens,
            )
        self.turn = turn


def needs_permission(action: ToolAction) -> bool:
    """Whether calls of this kind are asked about, allowed or refused; others just run."""
    return request_for(action) is not None


def arguments_in(item: msgspec.Raw) -> str:
    """The arguments of a tool call as the model wrote them."""
    try:
        found = msgspec.json.decode(item, type=_Arguments)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    for member in (found.arguments, found.input, found.action):
        text = member if isinstance(member, str) else bytes(member).decode(errors="replace")
        if text:
            return text
    return ""
