"""A whole turn, and what a real collector gets of it: every event, span and metric, attribute by attribute."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from codexd import __version__
from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Json, connected, typed
from daemon_house import Home
from otlp_sink import STREAM, Sink, attributes_of, otlp_sink, rotel_to
from trio_test import trio_test

ARGUMENTS = '{"command":"echo word | tee x.txt"}'
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RUNS: Reply = (Call("shell_command", ARGUMENTS),)


@pytest.mark.slow
@trio_test
async def test_all_that_happens_in_a_turn_arrives_over_http_and_grpc(
    home: Home, tmp_path: Path
) -> None:
    async with otlp_sink() as sink, scripted_model([RUNS, Say(("Well", " done"))]) as model:
        with rotel_to(sink, tmp_path) as rotel:
            exporters = {
                "exporter": f'{{ otlp-http = {{ endpoint = "{rotel.http}/v1/logs" }} }}',
                "trace_exporter": f'{{ otlp-grpc = {{ endpoint = "{rotel.grpc}" }} }}',
                "metrics_exporter": f'{{ otlp-grpc = {{ endpoint = "{rotel.grpc}" }} }}',
                "span_attributes": '{ team = "blue" }',
            }
            table = "".join(f"{key} = {value}\n" for key, value in exporters.items())
            home.use_model(model.base_url, approval="untrusted", more=f"[otel]\n{table}")
            daemon = home.start()
            async with connected(home.socket) as client:
                thread = await client.start_thread()
                params = {"threadId": thread, "input": typed("Grüße, run it")}
                asking = {"id": 900, "method": "turn/start", "params": params}
                await client.send({**asking, "trace": {"traceparent": PARENT}})
                turn = (await client.answered(900))["turn"]["id"]
                asked = await client.until_asked()
                await client.decide(asked, "accept")
                await client.turn_ended(turn)
            assert daemon.stop() == 0  # which sends the rest
            await sink.until(lambda: len(sink.spans) == 4 and bool(sink.metrics))
            await sink.until(lambda: "input_token_count" in sink.events[-1])
    _the_events_are_those_of_the_catalogue(sink, thread)
    _the_spans_are_those_of_the_conventions(sink, thread, turn)
    _the_metrics_count_it_all(sink)
    # A provider is told the span of its request.
    placed = [span for span in sink.spans if span["name"] == "chat scripted"]
    sent = [request.headers["traceparent"] for request in model.requests]
    hexes = [(_hex(span["traceId"]), _hex(span["spanId"])) for span in placed]
    assert sent == [f"00-{trace}-{span}-01" for trace, span in hexes]


def _the_events_are_those_of_the_catalogue(sink: Sink, thread: str) -> None:
    for event, record in zip(sink.events, sink.records, strict=True):
        assert record["severityNumber"] == 9
        assert record["eventName"] == event["event.name"]
        assert "body" not in record or record["body"] == {}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["event.timestamp"])
        assert event["log.record.uid"].startswith(f"{thread}/")
    assert len({event["log.record.uid"] for event in sink.events}) == len(sink.events)
    common = {
        "conversation.id": thread,
        "app.version": __version__,
        "model": "scripted",
        "slug": "scripted",
        "originator": "test",
    }
    (resource,) = {str(attributes_of(of["resource"])) for of in _resources(sink)}
    assert "'service.name': 'codexd'" in resource
    assert "'env': 'dev'" in resource
    found = [_own(event, common) for event in sink.events if event["event.name"] != STREAM]
    requests = [event for event in found if event["event.name"] == "codex.api_request"]
    for request in requests:
        assert int(request.pop("duration_ms")) >= 0
    result = next(event for event in found if event["event.name"] == "codex.tool_result")
    assert int(result.pop("duration_ms")) >= 0
    assert found == [
        {
            "event.name": "codex.conversation_starts",
            "provider_name": "scripted",
            "reasoning_summary": "auto",
            "approval_policy": "untrusted",
            "sandbox_policy": "danger-full-access",
            "mcp_servers": "",
        },
        {"event.name": "codex.user_prompt", "prompt_length": "13", "prompt": "[REDACTED]"},
        _request(),
        {
            "event.name": "codex.tool_decision",
            "tool_name": "shell_command",
            "call_id": result["call_id"],
            "decision": "approved",
            "source": "user",
        },
        {
            "event.name": "codex.tool_result",
            "tool_name": "shell_command",
            "call_id": result["call_id"],
            "arguments": ARGUMENTS,
            "success": "true",
            "output": result["output"],
            "output_truncated": False,
            "tool_result_seq": 1,
        },
        _request(),
    ]
    assert result["output"].endswith("word\n")
    streamed = [_own(event, common) for event in sink.events if event["event.name"] == STREAM]
    kinds = [event["event.kind"] for event in streamed]
    assert not [kind for kind in kinds if kind.endswith(".delta")]
    # Twice for each of two answers: plain, and with tokens.
    assert kinds.count("response.completed") == 4
    assert kinds[0] == "response.created"
    counted = [event for event in streamed if "input_token_count" in event]
    for event in counted:
        assert event.pop("ttft_ms") >= 0
        assert "duration_ms" not in event
        assert int(event.pop("input_token_count")) > 0
        assert int(event.pop("tool_token_count")) > int(event.pop("output_token_count")) > 0
    assert (
        counted
        == [
            {
                "event.name": STREAM,
                "event.kind": "response.completed",
                "cached_token_count": 0,
                "reasoning_token_count": 0,
            }
        ]
        * 2
    )
    for event in streamed:
        assert event in counted or int(event["duration_ms"]) >= 0


def _hex(base64_text: str) -> str:
    return base64.b64decode(base64_text).hex()


def _request() -> Json:
    return {
        "event.name": "codex.api_request",
        "attempt": 0,
        "http.response.status_code": 200,
        "endpoint": "/responses",
    }


def _own(event: Json, common: Json) -> Json:
    """The attributes that are not those of all events."""
    assert common.items() <= event.items()
    known = {*common, "event.timestamp", "log.record.uid", "terminal.type"}
    return {key: value for key, value in event.items() if key not in known}


def _resources(sink: Sink) -> list[Json]:
    return [
        of for got in sink.taken if got.path == "/v1/logs" for of in got.request["resourceLogs"]
    ]


def _the_spans_are_those_of_the_conventions(sink: Sink, thread: str, turn: str) -> None:
    spans = {span["name"]: span for span in sink.spans}
    whole, tool = spans["invoke_agent codexd"], spans["execute_tool shell_command"]
    calls = [span for span in sink.spans if span["name"] == "chat scripted"]
    assert len(calls) == 2
    assert len({span["traceId"] for span in sink.spans}) == 1
    # The turn is within the trace of the client that asked for it.
    assert f"00-{_hex(whole['traceId'])}-{_hex(whole['parentSpanId'])}-01" == PARENT
    for span in (tool, *calls):
        assert span["parentSpanId"] == whole["spanId"]
        assert int(whole["startTimeUnixNano"]) <= int(span["startTimeUnixNano"])
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert int(span["endTimeUnixNano"]) <= int(whole["endTimeUnixNano"])
    assert [span["kind"] for span in (whole, tool, *calls)] == [1, 1, 3, 3]
    tokens = [attributes_of(span) for span in calls]
    assert attributes_of(whole) == {
        "team": "blue",
        "gen_ai.conversation.id": thread,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "codexd",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "scripted",
        "gen_ai.usage.input_tokens": sum(of["gen_ai.usage.input_tokens"] for of in tokens),
        "gen_ai.usage.output_tokens": sum(of["gen_ai.usage.output_tokens"] for of in tokens),
        "codexd.turn.id": turn,
        "codexd.turn.kind": "user",
        "codexd.turn.model_calls": 2,
        "codexd.turn.tool_calls": 1,
    }
    of_tool = attributes_of(tool)
    assert of_tool.pop("gen_ai.tool.call.id")
    assert of_tool == {
        "team": "blue",
        "gen_ai.conversation.id": thread,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "shell_command",
        "gen_ai.tool.type": "function",
        "process.exit.code": 0,
    }
    # The events of a request stand in its span.
    places = {record.get("spanId") for record in sink.records if record["eventName"] == STREAM}
    assert places == {span["spanId"] for span in calls}


def _the_metrics_count_it_all(sink: Sink) -> None:
    last: dict[str, Json] = {metric["name"]: metric for metric in sink.metrics}
    assert set(last) == {
        "codex.thread.started",
        "codex.api_request",
        "codex.api_request.duration_ms",
        "codex.tool.call",
        "codex.tool.call.duration_ms",
        "codex.turn.e2e_duration_ms",
        "codex.turn.token_usage",
        "codex.turn.ttft.duration_ms",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
        "gen_ai.execute_tool.duration",
        "gen_ai.invoke_agent.duration",
    }
    (requests,) = last["codex.api_request"]["sum"]["dataPoints"]
    assert requests["asInt"] == "2"
    assert attributes_of(requests) == {
        "model": "scripted",
        "app.version": __version__,
        "originator": "test",
        "success": True,
        "status": "200",
    }
    usage = last["gen_ai.client.token.usage"]["histogram"]
    assert usage["aggregationTemporality"] == 2
    assert [int(point["count"]) for point in usage["dataPoints"]] == [2, 2]
    kinds = {attributes_of(point)["gen_ai.token.type"] for point in usage["dataPoints"]}
    assert kinds == {"input", "output"}
