"""Records of a thread's log -> spans: a turn, and within it its model calls and tool calls.

Source: OpenTelemetry's semantic conventions for generative AI (development), "agent spans" and "client spans".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.values.trace import SpanPlace
from codexd.core.values.usage import read_usage
from codexd.telemetry.signals.conversation import CallInFlight, Conversation, Turn
from codexd.telemetry.signals.items import Span, Value
from codexd.telemetry.signals.log_events import what_failed

AGENT_NAME: Final = "codexd"


class Spans:
    """Makes spans of the records that end something, which come with the state of their thread before them."""

    def __init__(self, more: Mapping[str, str], ratio: float = 1.0) -> None:
        """`more`: attributes of each span; `ratio`: the part of all traces that is sent."""
        self._more, self._ratio = more, ratio

    def of(self, conversation: Conversation, recorded: Recorded) -> list[Span]:
        """The spans that end with one record."""
        place = conversation.place
        if place is None or not is_sampled(place, self._ratio):
            return []
        return list(self._found(conversation, recorded))

    def _found(self, conversation: Conversation, recorded: Recorded) -> Iterator[Span]:
        event, turn = recorded.event, conversation.turn
        assert turn is not None
        match event:
            case e.ModelCallEnded() | e.ModelCallFailed() | e.TurnSteered(cut=str()) if (
                conversation.call is not None
            ):
                yield self._call(conversation, conversation.call, recorded)
            case e.ToolEnded() if event.call_id in conversation.tools:
                yield self._tool(conversation, turn, recorded, event)
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
                if conversation.call is not None:
                    yield self._call(conversation, conversation.call, recorded)
                yield self._turn(conversation, turn, recorded)
            case _:
                pass

    def _turn(self, conversation: Conversation, turn: Turn, recorded: Recorded) -> Span:
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": AGENT_NAME,
            "gen_ai.usage.input_tokens": turn.input_tokens,
            "gen_ai.usage.output_tokens": turn.output_tokens,
            "codexd.turn.id": turn.turn_id,
            "codexd.turn.kind": turn.kind,
            "codexd.turn.model_calls": turn.calls,
            "codexd.turn.tool_calls": turn.tools,
        }
        if conversation.settings is not None:
            attributes["gen_ai.provider.name"] = conversation.settings.provider
            attributes["gen_ai.request.model"] = conversation.settings.model
        parent = turn.parent.span_id if turn.parent is not None else None
        error, kind = _end_of_turn(recorded)
        return self._span(
            conversation,
            f"invoke_agent {AGENT_NAME}",
            turn.place,
            parent,
            (turn.started_ms, recorded.at_ms),
            attributes,
            error,
            kind,
        )

    def _call(self, conversation: Conversation, call: CallInFlight, recorded: Recorded) -> Span:
        event, place = recorded.event, conversation.place_of_call()
        assert place is not None
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.model,
            "gen_ai.request.stream": True,
            "codexd.call.purpose": call.purpose,
            "codexd.call.attempt": call.attempt - 1,
        }
        error, kind = _end_of_turn(recorded)
        if isinstance(event, e.ModelCallEnded | e.ModelCallFailed):
            exchange = event.exchange
            if exchange is not None and exchange.status is not None:
                attributes["http.response.status_code"] = exchange.status
            if exchange is not None and exchange.first_ms is not None:
                attributes["gen_ai.response.time_to_first_chunk"] = exchange.first_ms / 1000
        if isinstance(event, e.ModelCallEnded):
            attributes |= _answer(event)
        if isinstance(event, e.ModelCallFailed):
            error, kind = what_failed(event), error_type(event)
        return self._span(
            conversation,
            f"chat {call.model}",
            place,
            conversation.turn.place.span_id if conversation.turn is not None else None,
            (call.started_ms, recorded.at_ms),
            attributes,
            error,
            kind,
            is_client=True,
        )

    def _tool(
        self, conversation: Conversation, turn: Turn, recorded: Recorded, event: e.ToolEnded
    ) -> Span:
        call = conversation.tools[event.call_id]
        place = conversation.place_of_tool(event.call_id)
        assert place is not None
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.call.id": call.given_id,
            "gen_ai.tool.type": "extension" if call.mcp_server is not None else "function",
        }
        if call.mcp_server is not None:
            attributes["codexd.mcp.server"] = call.mcp_server
        if event.result.exit_code is not None:
            attributes["process.exit.code"] = event.result.exit_code
        status = event.result.status
        failed = status if status != "completed" else None
        return self._span(
            conversation,
            f"execute_tool {call.name}",
            place,
            turn.place.span_id,
            (call.began_ms, recorded.at_ms),
            attributes,
            failed,
            failed,
        )

    def _span(
        self,
        conversation: Conversation,
        name: str,
        place: SpanPlace,
        parent: str | None,
        time_ms: tuple[int, int],
        attributes: dict[str, Value],
        error: str | None,
        error_kind: str | None,
        *,
        is_client: bool = False,
    ) -> Span:
        attributes = {
            **self._more,
            "gen_ai.conversation.id": conversation.thread_id,
            **attributes,
        }
        if error_kind is not None:
            attributes["error.type"] = error_kind
        kind: Literal["client", "internal"] = "client" if is_client else "internal"
        start_ms, end_ms = time_ms
        return Span(name, kind, place, parent, start_ms, max(start_ms, end_ms), attributes, error)


def _answer(event: e.ModelCallEnded) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if event.response_id is not None:
        found["gen_ai.response.id"] = event.response_id
    tokens = read_usage(event.usage)
    if tokens is not None:
        found["gen_ai.usage.input_tokens"] = tokens.input_tokens
        found["gen_ai.usage.output_tokens"] = tokens.output_tokens
        found["gen_ai.usage.cache_read.input_tokens"] = tokens.cached_input_tokens
        found["gen_ai.usage.reasoning.output_tokens"] = tokens.reasoning_output_tokens
    return found


def _end_of_turn(recorded: Recorded) -> tuple[str | None, str | None]:
    """Why a turn's end is no success, in words and as a kind."""
    match recorded.event:
        case e.TurnInterrupted(reason):
            return reason, "interrupted"
        case e.TurnFailed(error):
            return error.message, kind_of_error(error.codex_error_info)
        case _:
            return None, None


def error_type(event: e.ModelCallFailed) -> str:
    """The kind of a failure: a status if there is one."""
    exchange = event.exchange
    if exchange is not None and exchange.status is not None and exchange.status >= 400:
        return str(exchange.status)
    return event.at if event.at == "restart" else kind_of_error(event.error.codex_error_info)


def kind_of_error(info: object) -> str:
    """An error's kind by its name in Codex's protocol."""
    return info if isinstance(info, str) else "_OTHER"


def is_sampled(place: SpanPlace, ratio: float) -> bool:
    """Whether a trace is among those that are sent: as OpenTelemetry's TraceIdRatioBased decides."""
    return ratio >= 1 or int(place.trace_id[16:], 16) < ratio * 2**64
