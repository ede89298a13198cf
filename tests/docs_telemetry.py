"""docs/reference/telemetry.md: what is sent to a collector."""

from __future__ import annotations

from codexd.telemetry.signals.measurements import METRICS

EVENTS = """\
## Log events

Names, attributes and types are Codex's: what is a number in a text there is so here.
An attribute with `?` is left out where it is not known.

Each event has `event.name`, `event.timestamp` (RFC 3339, milliseconds), `conversation.id`, `app.version`, `terminal.type`, `model`, `slug`, `originator`, where there is an account `auth_mode`, `user.account_id` and `user.email`, and `log.record.uid`.
Its severity is INFO and its body empty; the field `event_name` of OTLP has the name too.
Both times of a record are the time in the log, so an event that is sent twice is equal twice.

| event | when | attributes |
|---|---|---|
| `codex.conversation_starts` | a thread was started or forked | `provider_name` string, `reasoning_effort`? string, `reasoning_summary` string, `approval_policy` string, `sandbox_policy` string, `mcp_servers` string (a list with commas) |
| `codex.user_prompt` | a prompt was accepted, or a turn steered | `prompt_length` string (characters), `prompt` string: `[REDACTED]` unless `log_user_prompt` |
| `codex.api_request` | an attempt of a request to a model | `attempt` integer (0 is the first), `duration_ms` string (until the head of the answer), `http.response.status_code`? integer, `error.message`? string, `endpoint`? string, `auth.cf_ray`? string |
| `codex.sse_event` | an event of the answer's stream; deltas only with `log_sse_deltas` | `event.kind`? string, `duration_ms` string (the wait for it), `error.message`? string |
| `codex.sse_event` | the answer is complete: once as above, and once more with | `event.kind` string, `input_token_count` string, `output_token_count` string, `cached_token_count`? integer, `reasoning_token_count`? integer, `cache_write_token_count`? integer, `tool_token_count` string (all tokens), `ttft_ms`? integer |
| `codex.tool_decision` | whether a tool call may run | `tool_name` string, `call_id` string, `decision` string (`approved`, `approved_for_session`, `denied`, `abort`), `source` string (`config`, `user`) |
| `codex.tool_result` | a tool call has its answer | `tool_name` string, `call_id` string, `arguments` string (whole), `duration_ms` string, `success` string (`true`, `false`), `output` string (2048 bytes, or `tool_result.max_bytes`), `output_truncated` boolean, `tool_result_seq` integer, `mcp_server`? string |

## Spans

They follow OpenTelemetry's conventions for generative AI, which are still in development.
All have `gen_ai.conversation.id`, `gen_ai.operation.name`, `error.type`? and the attributes of `span_attributes`.

| span | kind | attributes |
|---|---|---|
| `invoke_agent codexd` | internal | `gen_ai.agent.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `codexd.turn.id`, `codexd.turn.kind`, `codexd.turn.model_calls`, `codexd.turn.tool_calls` |
| `chat MODEL` | client | `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.request.stream`, `gen_ai.response.id`?, `gen_ai.response.time_to_first_chunk`?, `gen_ai.usage.input_tokens`?, `gen_ai.usage.output_tokens`?, `gen_ai.usage.cache_read.input_tokens`?, `gen_ai.usage.reasoning.output_tokens`?, `http.response.status_code`?, `codexd.call.purpose`, `codexd.call.attempt` |
| `execute_tool TOOL` | internal | `gen_ai.tool.name`, `gen_ai.tool.call.id`, `gen_ai.tool.type`, `process.exit.code`?, `codexd.mcp.server`? |

A turn is one trace, and its calls and tools are children of its span.
A client that sends `trace` with `turn/start` has the turn within its own trace (W3C Trace Context), and a provider gets a header `traceparent` with the span of its request.
The ids follow from the ids of thread, turn and call, so a span that is sent twice is equal twice.

## Metrics
"""

RESOURCE = """
Totals are cumulative since the start of the daemon; `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta` sends differences.

## Resource

`service.name` (`codexd`), `service.version`, `env` (`environment` in the table), `telemetry.sdk.*`, those of `OTEL_RESOURCE_ATTRIBUTES`, and with events `host.name`.

## Variables

What the table `[otel]` leaves out is that of the standard variables of the daemon's environment:

| variable | |
|---|---|
| `OTEL_SDK_DISABLED=true` | nothing is sent, whatever else is set |
| `OTEL_LOGS_EXPORTER`, `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` | `otlp` sends the signal, unless the table has its exporter |
| `OTEL_EXPORTER_OTLP_ENDPOINT`, `_PROTOCOL`, `_HEADERS`, `_TIMEOUT`, `_COMPRESSION`, `_CERTIFICATE`, `_CLIENT_CERTIFICATE`, `_CLIENT_KEY` | and the same with `LOGS_`, `TRACES_` or `METRICS_` for one signal |
| `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | the resource |
| `OTEL_BLRP_SCHEDULE_DELAY`, `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_METRIC_EXPORT_INTERVAL` | milliseconds in which events, spans and metrics are gathered |
| `OTEL_BLRP_MAX_EXPORT_BATCH_SIZE`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | at most 512 |
| `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | `always_off`, `traceidratio`; others are `always_on` |
| `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` | characters of a text |
"""


def telemetry_page(made: str) -> str:
    """The page; `made` says how it was made."""
    rows = [
        f"| `{name}` | {metric.kind} | {metric.unit} | {metric.description} |"
        for name, metric in METRICS.items()
    ]
    table = ["| metric | | unit | |", "|---|---|---|---|", *rows]
    return "\n".join(["# Telemetry\n", made, EVENTS, *table, RESOURCE])
