"""Records of a thread's log -> values of metrics.

Source: OpenTelemetry's semantic conventions for generative AI (development), "metrics"; Codex's own metrics, `codex.*`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.values.usage import read_usage
from codexd.telemetry.signals.conversation import CallInFlight, Conversation, Turn
from codexd.telemetry.signals.items import Attributes, Measurement, Value
from codexd.telemetry.signals.spans import AGENT_NAME, error_type, kind_of_error

# The boundaries of the conventions.
_TOKENS: Final = tuple(4.0**power for power in range(14))
_SECONDS: Final = tuple(0.01 * 2**power for power in range(14))
# Codex gives none for its milliseconds: the SDK's own, and two longer.
_MS: Final = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1e3, 2.5e3, 5e3, 7.5e3, 1e4, 6e4, 6e5)


class Metric(msgspec.Struct, frozen=True):
    """A metric that there is."""

    unit: str
    description: str
    kind: Literal["counter", "histogram"] = "histogram"
    bounds: tuple[float, ...] = ()


METRICS: Final[Mapping[str, Metric]] = {
    "gen_ai.client.token.usage": Metric("{token}", "tokens of a model call", bounds=_TOKENS),
    "gen_ai.client.operation.duration": Metric("s", "time of a model call", bounds=_SECONDS),
    "gen_ai.client.operation.time_to_first_chunk": Metric(
        "s", "time until a model's first output", bounds=_SECONDS
    ),
    "gen_ai.invoke_agent.duration": Metric("s", "time of a turn", bounds=_SECONDS),
    "gen_ai.execute_tool.duration": Metric("s", "time of a tool call", bounds=_SECONDS),
    "codex.thread.started": Metric("1", "threads that were started", "counter"),
    "codex.api_request": Metric("1", "requests to a model", "counter"),
    "codex.api_request.duration_ms": Metric("ms", "wait for an answer's head", bounds=_MS),
    "codex.tool.call": Metric("1", "tool calls", "counter"),
    "codex.tool.call.duration_ms": Metric("ms", "time of a tool call", bounds=_MS),
    "codex.turn.e2e_duration_ms": Metric("ms", "time of a turn", bounds=_MS),
    "codex.turn.ttft.duration_ms": Metric("ms", "time until a turn's first output", bounds=_MS),
    "codex.turn.token_usage": Metric("{token}", "tokens of a turn", bounds=_TOKENS),
}


class Measurements:
    """Makes measurements of records, which come with the state of their thread before them."""

    def __init__(self, app_version: str) -> None:
        self._app_version = app_version

    def of(self, conversation: Conversation, recorded: Recorded) -> list[Measurement]:
        """What one record measures."""
        return list(self._found(conversation, recorded))

    def _found(self, conversation: Conversation, recorded: Recorded) -> Iterator[Measurement]:
        event, turn, call = recorded.event, conversation.turn, conversation.call
        match event:
            case e.ThreadStarted():
                yield self._codex("codex.thread.started", 1, event.settings.model, event.originator)
            case e.ModelCallEnded() | e.ModelCallFailed() if call is not None:
                yield from self._call(conversation, call, recorded, event)
            case e.ToolEnded() if event.call_id in conversation.tools:
                yield from self._tool(conversation, recorded, event)
            case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed() if turn is not None:
                yield from self._turn(conversation, turn, recorded)
            case _:
                pass

    def _codex(
        self,
        metric: str,
        value: float,
        model: str,
        originator: str | None,
        more: Mapping[str, Value] | None = None,
    ) -> Measurement:
        attributes = {
            "model": model,
            "app.version": self._app_version,
            "originator": originator or "",
            **(more or {}),
        }
        return Measurement(metric, value, attributes)

    def _call(
        self,
        conversation: Conversation,
        call: CallInFlight,
        recorded: Recorded,
        event: e.ModelCallEnded | e.ModelCallFailed,
    ) -> Iterator[Measurement]:
        of_call: Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.model,
        }
        if isinstance(event, e.ModelCallEnded):
            duration_ms = event.duration_ms
            tokens = read_usage(event.usage)
            if tokens is not None:
                metric = "gen_ai.client.token.usage"
                kinds = {"input": tokens.input_tokens, "output": tokens.output_tokens}
                for kind, count in kinds.items():
                    yield Measurement(metric, count, {**of_call, "gen_ai.token.type": kind})
        elif event.at == "restart":
            return  # How long it took is not known.
        else:
            duration_ms = max(recorded.at_ms - call.started_ms, 0)
            of_call = {**of_call, "error.type": error_type(event)}
        yield Measurement("gen_ai.client.operation.duration", duration_ms / 1000, of_call)
        exchange, who = event.exchange, (call.model, conversation.originator)
        status = exchange.status if exchange is not None else None
        success = isinstance(event, e.ModelCallEnded) or event.at != "request"
        tags: dict[str, Value] = {"success": success, "status": str(status or "none")}
        yield self._codex("codex.api_request", 1, *who, tags)
        if exchange is not None and exchange.head_ms is not None:
            yield self._codex("codex.api_request.duration_ms", exchange.head_ms, *who, tags)
        if exchange is not None and exchange.first_ms is not None:
            first_s = exchange.first_ms / 1000
            yield Measurement("gen_ai.client.operation.time_to_first_chunk", first_s, of_call)

    def _tool(
        self, conversation: Conversation, recorded: Recorded, event: e.ToolEnded
    ) -> Iterator[Measurement]:
        call, result = conversation.tools[event.call_id], event.result
        duration_ms = result.duration_ms
        if duration_ms is None:
            duration_ms = max(recorded.at_ms - call.began_ms, 0)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
        }
        if result.status != "completed":
            attributes["error.type"] = result.status
        yield Measurement("gen_ai.execute_tool.duration", duration_ms / 1000, attributes)
        model = conversation.settings.model if conversation.settings is not None else ""
        success = result.status == "completed"
        for metric, value in (("codex.tool.call", 1), ("codex.tool.call.duration_ms", duration_ms)):
            tags: dict[str, Value] = {"tool": call.name, "success": success}
            yield self._codex(metric, value, model, conversation.originator, tags)

    def _turn(
        self, conversation: Conversation, turn: Turn, recorded: Recorded
    ) -> Iterator[Measurement]:
        settings, event = conversation.settings, recorded.event
        duration_ms = max(recorded.at_ms - turn.started_ms, 0)
        model = settings.model if settings is not None else ""
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": AGENT_NAME,
            "gen_ai.request.model": model,
        }
        if settings is not None:
            attributes["gen_ai.provider.name"] = settings.provider
        if isinstance(event, e.TurnFailed):
            attributes["error.type"] = kind_of_error(event.error.codex_error_info)
        if isinstance(event, e.TurnInterrupted):
            attributes["error.type"] = "interrupted"
        yield Measurement("gen_ai.invoke_agent.duration", duration_ms / 1000, attributes)
        who = model, conversation.originator
        yield self._codex("codex.turn.e2e_duration_ms", duration_ms, *who)
        if turn.first_ms is not None:
            yield self._codex("codex.turn.ttft.duration_ms", turn.first_ms, *who)
        for kind, count in (("input", turn.input_tokens), ("output", turn.output_tokens)):
            yield self._codex("codex.turn.token_usage", count, *who, {"token_type": kind})
