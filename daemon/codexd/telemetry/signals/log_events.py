"""Records of a thread's log -> the log events of Codex's catalogue: `codex.*`, with Codex's names, attributes and types.

Source: Codex's docs/config.md, "otel", and its events as measured. Numbers that are texts there are texts here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.values.exchange import Exchange
from codexd.core.values.items import TextInput, TurnError, UserInput
from codexd.core.values.tool_actions import Decision, ToolResult
from codexd.core.values.trace import SpanPlace
from codexd.core.values.usage import Tokens, read_usage
from codexd.telemetry.signals.conversation import Conversation, ToolCall, needs_permission
from codexd.telemetry.signals.items import LogEvent, Value

# Of a tool's output: Codex's figure.
OUTPUT_BYTES_MAX: Final = 2048
CUT: Final = "\n[... telemetry preview truncated ...]"
REDACTED: Final = "[REDACTED]"

_DECISIONS: Final[Mapping[Decision, str]] = {
    "accept": "approved",
    "acceptForSession": "approved_for_session",
    "decline": "denied",
    "cancel": "abort",
}
# The stream events that say why an answer failed.
_FAILURES: Final = frozenset({"response.failed", "error"})
_COMPLETED: Final = "response.completed"

# A name, attributes, the span, and for what happened within a request, how long after it was begun.
Found = tuple[str, dict[str, Value | None], SpanPlace | None, int | None]


class Described(msgspec.Struct, frozen=True):
    """What events say of the daemon and its configuration, beside the log."""

    app_version: str
    terminal: str
    log_user_prompt: bool = False
    output_bytes_max: int = OUTPUT_BYTES_MAX
    mcp_servers: tuple[str, ...] = ()
    account: Mapping[str, str] = {}  # auth_mode, user.account_id, user.email: those that are known


class LogEvents:
    """Makes log events of records, which come with the state of their thread before them."""

    def __init__(self, described: Described) -> None:
        self._described = described

    def of(self, conversation: Conversation, recorded: Recorded) -> list[LogEvent]:
        """The log events of one record."""
        common = self._common(conversation, recorded)
        events = []
        call = conversation.call
        for number, found in enumerate(self._found(conversation, recorded)):
            name, attributes, place, after_ms = found
            at_ms = recorded.at_ms
            if after_ms is not None and call is not None:
                at_ms = min(call.started_ms + after_ms, at_ms)
            own = {key: value for key, value in attributes.items() if value is not None}
            uid = f"{conversation.thread_id}/{recorded.seq}/{number}"
            when = {"event.name": name, "event.timestamp": timestamp(at_ms)}
            events.append(LogEvent(name, at_ms, uid, {**when, **common, **own}, place))
        return events

    def _common(self, conversation: Conversation, recorded: Recorded) -> dict[str, Value]:
        settings, described = conversation.settings, self._described
        if isinstance(recorded.event, e.ThreadStarted):
            settings, originator = recorded.event.settings, recorded.event.originator
        else:
            originator = conversation.originator or ""
        model = settings.model if settings is not None else ""
        model = conversation.call.model if conversation.call is not None else model
        return {
            "conversation.id": conversation.thread_id,
            "app.version": described.app_version,
            **described.account,
            "terminal.type": described.terminal,
            "model": model,
            "slug": model,
            "originator": originator,
        }

    def _found(self, conversation: Conversation, recorded: Recorded) -> Iterator[Found]:
        event, place = recorded.event, conversation.place
        match event:
            case e.ThreadStarted() | e.ThreadForked():
                yield "codex.conversation_starts", self._starts(conversation, event), None, None
            case e.InputQueued() | e.TurnSteered():
                yield "codex.user_prompt", self._prompt(event.content), place, None
            case e.ModelCallEnded() | e.ModelCallFailed():
                yield from _request(conversation, recorded)
            case e.TurnInterrupted() | e.TurnFailed() if conversation.call is not None:
                yield _broken_off(conversation, recorded)
            case e.ApprovalDecided():
                call = conversation.asked_about(event.approval_id)
                if call is not None:
                    source = "config" if event.note is not None or recorded.by is None else "user"
                    yield _decision(conversation, call, _DECISIONS[event.decision], source)
            case e.ToolStarted() if event.again is None and needs_permission(event.action):
                call = conversation.tools.get(event.call_id)
                if call is not None and not call.decided:
                    yield _decision(conversation, call, "approved", "config")
            case e.ToolEnded():
                call = conversation.tools.get(event.call_id)
                if call is not None:
                    place = conversation.place_of_tool(event.call_id)
                    attributes = self._result(conversation, call, event.result)
                    yield "codex.tool_result", attributes, place, None
            case _:
                pass

    def _starts(
        self, conversation: Conversation, event: e.ThreadStarted | e.ThreadForked
    ) -> dict[str, Value | None]:
        settings = event.settings if isinstance(event, e.ThreadStarted) else conversation.settings
        if settings is None:
            return {}
        return {
            "provider_name": settings.provider,
            "reasoning_effort": settings.effort,
            "reasoning_summary": settings.summary or "auto",
            "approval_policy": settings.approval_policy,
            "sandbox_policy": settings.sandbox,
            "mcp_servers": ", ".join(self._described.mcp_servers),
        }

    def _prompt(self, content: tuple[UserInput, ...]) -> dict[str, Value | None]:
        text = "".join([part.text for part in content if isinstance(part, TextInput)])
        shown = text if self._described.log_user_prompt else REDACTED
        return {"prompt_length": str(len(text)), "prompt": shown}

    def _result(
        self, conversation: Conversation, call: ToolCall, result: ToolResult
    ) -> dict[str, Value | None]:
        output, is_cut = preview(result.model_text, self._described.output_bytes_max)
        return {
            "tool_name": call.name,
            "call_id": call.given_id,
            "arguments": call.arguments,
            "duration_ms": str(result.duration_ms or 0),
            "success": "true" if result.status == "completed" else "false",
            "output": output,
            "output_truncated": is_cut,
            "tool_result_seq": conversation.results + 1,
            "mcp_server": call.mcp_server,
        }


def _request(conversation: Conversation, recorded: Recorded) -> Iterator[Found]:
    """A request to the model: its answer's head, the events of its stream, and its tokens or its failure."""
    event, call, place = recorded.event, conversation.call, conversation.place_of_call()
    assert isinstance(event, e.ModelCallEnded | e.ModelCallFailed)
    if call is None:
        return
    exchange = event.exchange or Exchange()
    problem = what_failed(event) if isinstance(event, e.ModelCallFailed) else None
    at_request = isinstance(event, e.ModelCallFailed) and event.at == "request"
    waited_ms = exchange.head_ms
    if waited_ms is None:
        waited_ms = max(recorded.at_ms - call.started_ms, 0)
    if not (isinstance(event, e.ModelCallFailed) and event.at == "restart"):
        yield (
            "codex.api_request",
            {
                "attempt": call.attempt - 1,
                "duration_ms": str(waited_ms),
                "http.response.status_code": exchange.status,
                "error.message": problem if at_request else None,
                "auth.cf_ray": exchange.ray,
                "endpoint": exchange.path or None,
            },
            place,
            exchange.head_ms,
        )
    said = False  # a stream event has the failure
    after_ms = waited_ms
    for number, (kind, waited) in enumerate(exchange.stream):
        after_ms += waited
        is_last = number == len(exchange.stream) - 1
        said = problem is not None and is_last and kind in _FAILURES
        yield _stream_event(kind or None, waited, problem if said else None, place, after_ms)
    if isinstance(event, e.ModelCallEnded):
        yield "codex.sse_event", _tokens(event, exchange), place, None
    elif not at_request and not said:
        yield _stream_event(None, 0, problem, place, None)


def _stream_event(
    kind: str | None,
    waited_ms: int,
    problem: str | None,
    place: SpanPlace | None,
    after_ms: int | None,
) -> Found:
    attributes = {"event.kind": kind, "duration_ms": str(waited_ms), "error.message": problem}
    return "codex.sse_event", {**attributes}, place, after_ms


def _tokens(event: e.ModelCallEnded, exchange: Exchange) -> dict[str, Value | None]:
    usage = read_usage(event.usage)
    tokens = usage or Tokens()
    return {
        "event.kind": _COMPLETED,
        "input_token_count": str(tokens.input_tokens),
        "output_token_count": str(tokens.output_tokens),
        "cached_token_count": tokens.cached_input_tokens if usage else None,
        "reasoning_token_count": tokens.reasoning_output_tokens if usage else None,
        # The name is Codex's; the value is all tokens, there as here.
        "tool_token_count": str(tokens.total_tokens),
        "cache_write_token_count": tokens.cache_write_input_tokens or None,
        "ttft_ms": exchange.first_ms,
    }


def _broken_off(conversation: Conversation, recorded: Recorded) -> Found:
    """The request of a turn that ended first."""
    call = conversation.call
    assert call is not None
    why = recorded.event
    reason = why.reason if isinstance(why, e.TurnInterrupted) else "the turn failed"
    attributes: dict[str, Value | None] = {
        "attempt": call.attempt - 1,
        "duration_ms": str(max(recorded.at_ms - call.started_ms, 0)),
        "error.message": reason,
    }
    return "codex.api_request", attributes, conversation.place_of_call(), None


def _decision(conversation: Conversation, call: ToolCall, decision: str, source: str) -> Found:
    attributes: dict[str, Value | None] = {
        "tool_name": call.name,
        "call_id": call.given_id,
        "decision": decision,
        "source": source,
    }
    return "codex.tool_decision", attributes, conversation.place_of_tool(call.call_id), None


def what_failed(event: e.ModelCallFailed) -> str:
    """The failure's own words, where the event has those for screens."""
    error: TurnError = event.error
    if event.will_retry and error.message.startswith("Reconnecting"):
        return error.additional_details or error.message
    return error.message


def preview(text: str, bytes_max: int) -> tuple[str, bool]:
    """The beginning of a text, and whether that is not all of it."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= bytes_max:
        return text, False
    return encoded[:bytes_max].decode(errors="ignore") + CUT, True


def timestamp(at_ms: int) -> str:
    """A time as RFC 3339 with milliseconds."""
    import datetime

    moment = datetime.datetime.fromtimestamp(at_ms // 1000, tz=datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"
