"""The table `[otel]` of config.toml, as Codex has it."""

from __future__ import annotations

import json

import pytest

from codexd.config.effective import effective
from codexd.config.file import InvalidConfig, ReadConfig, parse_config
from codexd.config.otel_table import (
    HEADER_VARIABLES,
    OtelExporterTable,
    OtelTable,
    OtelTlsTable,
    OtelToolResultTable,
    OtlpGrpcTable,
    OtlpHttpTable,
)


def parsed(text: str) -> ReadConfig:
    return parse_config(text.encode(), "/c.toml")


def test_nothing_is_sent_by_default() -> None:
    assert parsed("").config.otel == OtelTable()
    for exporter in ("none", "statsig"):
        read = parsed(f'[otel]\nexporter = "{exporter}"\nmetrics_exporter = "{exporter}"\n')
        assert read.config.otel.exporters == ()


def test_all_of_codexs_keys_are_read() -> None:
    read = parsed(
        '[otel]\nenvironment = "staging"\nlog_user_prompt = true\nlog_sse_deltas = true\n'
        "log_agent_responses = true\nlog_guardian_assessments = true\ntool_result = { max_bytes = 9 }\n"
        'span_attributes = { team = "a" }\ntracestate = { x = { a = "b" } }\n'
        'trace_exporter = { otlp-grpc = { endpoint = "http://c:4317", headers = { x-a = "b" } } }\n'
        '[otel.exporter."otlp-http"]\nendpoint = "https://c/v1/logs"\nprotocol = "json"\n'
        'headers = { "x-otlp-api-key" = "${OTLP_TOKEN}" }\n'
        '[otel.exporter."otlp-http".tls]\nca-certificate = "ca.pem"\n'
        'client-certificate = "c.pem"\nclient-private-key = "k.pem"\n'
    )
    assert read.warnings == ()
    tls = OtelTlsTable("/ca.pem", "/c.pem", "/k.pem")  # beside the file
    headers = {"x-otlp-api-key": "${OTLP_TOKEN}"}
    http = OtlpHttpTable("https://c/v1/logs", "json", headers, tls)
    assert read.config.otel == OtelTable(
        environment="staging",
        exporter=OtelExporterTable(otlp_http=http),
        trace_exporter=OtelExporterTable(
            otlp_grpc=OtlpGrpcTable("http://c:4317", {"x-a": "b"}),
        ),
        log_user_prompt=True,
        log_sse_deltas=True,
        tool_result=OtelToolResultTable(9),
        span_attributes={"team": "a"},
    )
    assert read.config.otel.variables == ("OTLP_TOKEN", *HEADER_VARIABLES)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('exporter = "otlp-http"', "otel.exporter"),
        ("exporter = {}", "otel.exporter"),
        ("exporter = { otlp-http = {}, otlp-grpc = {} }", "otel.exporter"),
        ('exporter = { otlp-http = { protocol = "xml" } }', "otel.exporter"),
        ('trace_exporter = { otlp = { endpoint = "x" } }', "otel.trace_exporter"),
        ("tool_result = { max_bytes = -1 }", "otel.tool_result"),
        ("environment = 1", "otel.environment"),
    ],
)
def test_a_value_that_is_none_of_them_is_refused_by_its_place(line: str, key: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"^/c\.toml:2: `{key}`: expected ") as refused:
        parsed(f"[otel]\n{line}\n")
    assert refused.value.key == key


def test_the_values_of_headers_are_shown_to_nobody() -> None:
    read = parsed(
        '[otel]\nexporter = { otlp-http = { endpoint = "http://c", headers = { a = "secret-1" } } }\n'
        'trace_exporter = { otlp-grpc = { endpoint = "http://c", headers = { b = "secret-2" } } }\n'
    )
    shown = effective(read)
    assert b"secret" not in shown
    http = json.loads(shown)["otel"]["exporter"]["otlp-http"]
    assert (http["endpoint"], http["headers"]) == ("http://c", {"a": "[redacted]"})
