"""Where each signal is sent, and how: `[otel]` of config.toml, and the standard variables for what it leaves out. Pure.

Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from codexd.config.otel_table import (
    VARIABLE,
    Exporter,
    OtelExporterTable,
    OtelTable,
    OtelTlsTable,
    OtlpGrpcTable,
    OtlpHttpTable,
)
from codexd.telemetry.signals.items import SIGNALS, Signal

Transport = Literal["grpc", "binary", "json"]

# The defaults of the specification; the delays are those of its batches, and the interval of its metrics.
TIMEOUT_MS: Final = 10_000
HTTP_BASE: Final = "http://localhost:4318"
GRPC_BASE: Final = "http://localhost:4317"
_DELAYS: Final[Mapping[Signal, tuple[str, int]]] = {
    "logs": ("OTEL_BLRP_SCHEDULE_DELAY", 1_000),
    "traces": ("OTEL_BSP_SCHEDULE_DELAY", 5_000),
    "metrics": ("OTEL_METRIC_EXPORT_INTERVAL", 60_000),
}
_BATCHES: Final[Mapping[Signal, str]] = {
    "logs": "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "traces": "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "metrics": "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
}
BATCH_ITEMS: Final = 512
# A timeout or a delay of a day is a mistake.
DURATION_MS_MAX: Final = 24 * 60 * 60 * 1000
_EXPORTERS: Final[Mapping[Signal, str]] = {
    "logs": "OTEL_LOGS_EXPORTER",
    "traces": "OTEL_TRACES_EXPORTER",
    "metrics": "OTEL_METRICS_EXPORTER",
}
_PROTOCOLS: Final[Mapping[str, Transport]] = {
    "grpc": "grpc",
    "http/protobuf": "binary",
    "http/json": "json",
}


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where one signal is sent. It holds secrets, and is never shown."""

    signal: Signal
    transport: Transport
    endpoint: str
    headers: tuple[tuple[str, str], ...] = ()
    tls: OtelTlsTable = OtelTlsTable()
    timeout_s: float = TIMEOUT_MS / 1000
    gzip: bool = False
    delay_s: float = 1.0  # changes of so long are sent together
    batch_items: int = BATCH_ITEMS


class Destinations(msgspec.Struct, frozen=True):
    """Where everything is sent, and what is wrong with the settings."""

    found: tuple[Destination, ...] = ()
    warnings: tuple[str, ...] = ()


def read_destinations(table: OtelTable, env: Mapping[str, str]) -> Destinations:
    """Where to send, by config and environment."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Destinations()
    found, warnings = [], list[str]()
    exporters = (table.exporter, table.trace_exporter, table.metrics_exporter)
    for signal, exporter in zip(SIGNALS, exporters, strict=True):
        asked = exporter if exporter is not None else _by_variable(signal, env)
        if not isinstance(asked, OtelExporterTable):
            continue
        read = _read(signal, asked, env, warnings)
        if read is not None:
            found.append(read)
    return Destinations(tuple(found), tuple(dict.fromkeys(warnings)))


def _by_variable(signal: Signal, env: Mapping[str, str]) -> Exporter:
    """The exporter that a variable asks for, where the config says nothing."""
    if "otlp" not in [name.strip() for name in env.get(_EXPORTERS[signal], "").split(",")]:
        return None
    protocol = _variable(env, signal, "PROTOCOL")
    if protocol == "grpc":
        return OtelExporterTable(otlp_grpc=OtlpGrpcTable())
    return OtelExporterTable(otlp_http=OtlpHttpTable())


def _read(
    signal: Signal, exporter: OtelExporterTable, env: Mapping[str, str], warnings: list[str]
) -> Destination | None:
    table = exporter.chosen
    if isinstance(table, OtlpGrpcTable):
        transport: Transport = "grpc"
    else:
        named = _PROTOCOLS.get(_variable(env, signal, "PROTOCOL"), "binary")
        transport = table.protocol or ("binary" if named == "grpc" else named)
    endpoint = table.endpoint or _endpoint(signal, transport, env)
    if not _is_address(endpoint):
        warnings.append(
            f"[otel]: expected an endpoint that begins with http:// or https:// for {signal}, "
            "found something else; they are not sent"
        )
        return None
    delay, usual = _DELAYS[signal]
    return Destination(
        signal=signal,
        transport=transport,
        endpoint=endpoint,
        headers=tuple(_headers(signal, table.headers, env, warnings).items()),
        tls=_tls(signal, table.tls or OtelTlsTable(), env),
        timeout_s=_ms(_variable(env, signal, "TIMEOUT"), TIMEOUT_MS) / 1000,
        gzip=_variable(env, signal, "COMPRESSION") == "gzip",
        delay_s=_ms(env.get(delay, ""), usual) / 1000,
        batch_items=min(_ms(env.get(_BATCHES[signal], ""), BATCH_ITEMS), BATCH_ITEMS),
    )


def _variable(env: Mapping[str, str], signal: Signal, name: str) -> str:
    """The value of a variable: the signal's own, else that of all signals."""
    own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
    return own or env.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()


def _endpoint(signal: Signal, transport: Transport, env: Mapping[str, str]) -> str:
    own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if transport == "grpc":
        return own or base or GRPC_BASE
    return own or f"{(base or HTTP_BASE).rstrip('/')}/v1/{signal}"


def _headers(
    signal: Signal, given: Mapping[str, str], env: Mapping[str, str], warnings: list[str]
) -> dict[str, str]:
    pairs = _pairs(_variable(env, signal, "HEADERS"))
    headers = {name.lower(): value for name, value in pairs}
    for name, value in given.items():
        unset = [found for found in VARIABLE.findall(value) if not env.get(found)]
        if unset:
            warnings.append(
                f"[otel]: the header {name} is left out: the environment variable {unset[0]} "
                "is not set for the daemon"
            )
            continue
        headers[name.lower()] = VARIABLE.sub(lambda found: env[found[1]], value).strip()
    for name in [name for name, value in headers.items() if not _is_sendable(name, value)]:
        del headers[name]
        warnings.append(f"[otel]: the header {name!r} is left out: no header may be so")
    return headers


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The names and values in a variable that is a list: `NAME=VALUE,NAME=VALUE`, percent-encoded."""
    for pair in text.split(","):
        name, separator, value = pair.partition("=")
        if separator and name.strip():
            yield unquote(name.strip()), unquote(value.strip())


def _is_sendable(name: str, value: str) -> bool:
    return (
        name.isascii()
        and name.replace("-", "").replace("_", "").isalnum()
        and (value.isascii() and value.isprintable())
    )


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _tls(signal: Signal, given: OtelTlsTable, env: Mapping[str, str]) -> OtelTlsTable:
    return OtelTlsTable(
        given.ca_certificate or _variable(env, signal, "CERTIFICATE") or None,
        given.client_certificate or _variable(env, signal, "CLIENT_CERTIFICATE") or None,
        given.client_private_key or _variable(env, signal, "CLIENT_KEY") or None,
    )


def _ms(text: str, usual: int) -> int:
    """A positive number that a variable holds, else the usual."""
    value = int(text) if text.isdecimal() and len(text) <= 12 else 0
    return min(value, DURATION_MS_MAX) or usual


def read_resource(table: OtelTable, env: Mapping[str, str], version: str) -> dict[str, str]:
    """The attributes of all that is sent."""
    given = dict(_pairs(env.get("OTEL_RESOURCE_ATTRIBUTES", "")))
    service = table.service_name or env.get("OTEL_SERVICE_NAME") or given.get("service.name")
    return {
        **given,
        "service.name": service or "codexd",
        "service.version": version,
        "env": table.environment,
        "telemetry.sdk.name": "codexd",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": version,
    }


def sampled_ratio(env: Mapping[str, str]) -> float:
    """The part of all traces that is sent (OTEL_TRACES_SAMPLER)."""
    sampler = env.get("OTEL_TRACES_SAMPLER", "").removeprefix("parentbased_")
    if sampler == "always_off":
        return 0.0
    if sampler != "traceidratio":
        return 1.0
    try:
        return min(max(float(env.get("OTEL_TRACES_SAMPLER_ARG", "1")), 0.0), 1.0)
    except ValueError:
        return 1.0


def value_characters_max(env: Mapping[str, str]) -> int | None:
    """How long the text of an attribute may be; None: any length."""
    text = env.get("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "")
    return int(text) if text.isdecimal() and len(text) <= 12 else None
