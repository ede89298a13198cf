"""Where telemetry goes: the config, and the standard variables for what it leaves out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from codexd.config.file import parse_config
from codexd.config.otel_table import OtelTable, OtelTlsTable
from codexd.telemetry.collectors.destination import (
    Destination,
    read_destinations,
    read_resource,
    sampled_ratio,
)

ENV = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:1/",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:2/t",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-a=1, x%2Db=a%20b,bad",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "250",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/json",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "7",
}


def table(text: str) -> OtelTable:
    return parse_config(f"[otel]\n{text}".encode(), "c").config.otel


def found(text: str, env: Mapping[str, str]) -> tuple[Destination, ...]:
    read = read_destinations(table(text), env)
    assert read.warnings == ()
    return read.found


@pytest.mark.parametrize("text", ["", 'exporter = "none"', 'metrics_exporter = "statsig"'])
def test_nothing_is_sent_unless_it_is_asked_for(text: str) -> None:
    assert found(text, ENV) == ()


def test_the_switch_of_all_of_opentelemetry_is_obeyed() -> None:
    text = 'exporter = { otlp-http = { endpoint = "http://c" } }'
    assert len(found(text, {})) == 1
    assert found(text, {"OTEL_SDK_DISABLED": "TRUE"}) == ()


def test_an_endpoint_of_the_config_is_used_as_it_is() -> None:
    text = 'exporter = { otlp-http = { endpoint = "http://c/x", headers = { X-A = "2 ${T}" } } }'
    (to,) = found(text, ENV | {"T": "token"})
    assert (to.endpoint, to.transport) == ("http://c/x", "json")
    assert dict(to.headers) == {"x-a": "2 token", "x-b": "a b"}
    assert (to.timeout_s, to.gzip, to.delay_s, to.batch_items) == (0.25, True, 0.1, 7)
    assert to.tls == OtelTlsTable("ca.pem")


def test_what_the_config_leaves_out_is_that_of_the_variables() -> None:
    text = "exporter = { otlp-http = {} }\ntrace_exporter = { otlp-grpc = {} }\n"
    logs, traces = found(text, ENV)
    assert (logs.endpoint, logs.transport) == ("http://all:1/v1/logs", "json")
    assert (traces.endpoint, traces.transport) == ("http://traces:2/t", "grpc")
    logs, traces = found(text, {})
    assert (logs.endpoint, logs.transport) == ("http://localhost:4318/v1/logs", "binary")
    assert (traces.endpoint, traces.transport) == ("http://localhost:4317", "grpc")


def test_a_variable_can_ask_for_a_signal_where_the_config_does_not_say() -> None:
    env = ENV | {"OTEL_LOGS_EXPORTER": "console,otlp", "OTEL_METRICS_EXPORTER": "otlp"}
    assert [to.signal for to in found("", env)] == ["logs", "metrics"]
    assert [to.signal for to in found('exporter = "none"', env)] == ["metrics"]
    grpc = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert [to.transport for to in found("", grpc)] == ["grpc"]


def test_a_header_whose_variable_is_not_set_is_left_out_and_said() -> None:
    text = (
        'exporter = { otlp-http = { endpoint = "http://c", headers = { a = "${NO}", b = "c" } } }'
    )
    read = read_destinations(table(text), {})
    assert read.warnings == (
        "[otel]: the header a is left out: the environment variable NO is not set for the daemon",
    )
    assert read.found[0].headers == (("b", "c"),)


@pytest.mark.parametrize("endpoint", ["c:4318", "ftp://c", "http://", "http://[x"])
def test_an_endpoint_that_is_none_is_said_without_its_words(endpoint: str) -> None:
    read = read_destinations(
        table(f'exporter = {{ otlp-http = {{ endpoint = "{endpoint}" }} }}'), {}
    )
    assert read.found == ()
    (warning,) = read.warnings
    assert warning == (
        "[otel]: expected an endpoint that begins with http:// or https:// for logs, "
        "found something else; they are not sent"
    )


def test_a_header_cannot_carry_another() -> None:
    env = {"T": "a\r\nx-b: c"}
    text = 'exporter = { otlp-http = { endpoint = "http://c", headers = { a = "${T}" } } }'
    read = read_destinations(table(text), env)
    assert read.found[0].headers == ()
    assert len(read.warnings) == 1


def test_the_resource_is_named_by_config_then_by_variables() -> None:
    env = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=r,team=a%2Cb", "OTEL_SERVICE_NAME": "s"}
    own = {"service.version": "9", "env": "dev", "telemetry.sdk.version": "9"}
    read = read_resource(OtelTable(), env, "9")
    assert own.items() <= read.items()
    assert (read["service.name"], read["team"]) == ("s", "a,b")
    named = table('environment = "prod"\nservice_name = "mine"')
    read = read_resource(named, env, "9")
    assert (read["service.name"], read["env"]) == ("mine", "prod")
    assert read_resource(OtelTable(), {}, "9")["service.name"] == "codexd"


def test_how_many_traces_are_sent_is_a_variable() -> None:
    assert sampled_ratio({}) == 1
    assert sampled_ratio({"OTEL_TRACES_SAMPLER": "always_off"}) == 0
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    assert sampled_ratio(ratio) == 0.25
    assert sampled_ratio(ratio | {"OTEL_TRACES_SAMPLER_ARG": "many"}) == 1
