"""The table `[otel]`: where telemetry goes, and what of a conversation is in it. The keys are Codex's, with a few more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

# `${NAME}` in the value of a header: the value of this variable of the daemon's environment.
VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,127}+)\}")

# The standard variables that have headers of their own.
HEADER_VARIABLES: Final = tuple(
    f"OTEL_EXPORTER_OTLP_{signal}HEADERS" for signal in ("", "LOGS_", "TRACES_", "METRICS_")
)

Headers = Annotated[Mapping[str, str], "a table of strings"]


class OtelTlsTable(msgspec.Struct, frozen=True, rename="kebab"):
    """The certificates of a connection, as paths of PEM files."""

    ca_certificate: str | None = None  # None: those that the system trusts
    client_certificate: str | None = None
    client_private_key: str | None = None


class OtlpHttpTable(msgspec.Struct, frozen=True):
    """A collector that is sent OTLP over HTTP."""

    endpoint: str | None = None  # the whole address, used as it is; None: that of OTEL_EXPORTER_*
    protocol: Literal["binary", "json"] | None = None  # None: that of OTEL_EXPORTER_*, else binary
    headers: Headers = {}
    tls: OtelTlsTable | None = None


class OtlpGrpcTable(msgspec.Struct, frozen=True):
    """A collector that is sent OTLP over gRPC."""

    endpoint: str | None = None  # http:// is without TLS, https:// with it
    headers: Headers = {}  # the metadata of each call
    tls: OtelTlsTable | None = None


Collector = TypeVar("Collector", OtlpHttpTable, OtlpGrpcTable)


class OtelExporterTable(
    msgspec.Struct, frozen=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """One of the two."""

    otlp_http: OtlpHttpTable | None = None
    otlp_grpc: OtlpGrpcTable | None = None

    def __post_init__(self) -> None:
        if (self.otlp_http is None) == (self.otlp_grpc is None):
            raise ValueError("expected one of otlp-http and otlp-grpc")

    @property
    def chosen(self) -> OtlpHttpTable | OtlpGrpcTable:
        """The one that is given."""
        found = self.otlp_http or self.otlp_grpc
        assert found is not None
        return found


# "statsig" is where Codex sends its metrics to its maker; codexd sends nothing there.
Exporter = Annotated[
    Literal["none", "statsig"] | OtelExporterTable | None,
    '"none", { otlp-http = { endpoint = "…" } } or { otlp-grpc = { endpoint = "…" } }',
]


class OtelToolResultTable(msgspec.Struct, frozen=True):
    """A table `[otel.tool_result]`."""

    max_bytes: Annotated[int, Meta(ge=0)]  # of a tool's output in an event


class OtelTable(msgspec.Struct, frozen=True):
    """The table `[otel]`; an exporter that is not set is that of OTEL_LOGS_EXPORTER and its like, else none."""

    environment: str = "dev"  # the attribute `env` of all that is sent
    exporter: Exporter = None  # of events
    trace_exporter: Exporter = None
    metrics_exporter: Exporter = None
    log_user_prompt: bool = False  # prompts are sent; else only their lengths
    log_sse_deltas: bool = False  # each delta of an answer is an event too
    tool_result: Annotated[
        OtelToolResultTable | None, "a table [otel.tool_result] with `max_bytes`, 0 or more"
    ] = None
    span_attributes: Headers = {}  # attributes of each span
    service_name: str | None = None  # None: OTEL_SERVICE_NAME, else "codexd"

    @property
    def exporters(self) -> tuple[OtlpHttpTable | OtlpGrpcTable, ...]:
        """All that are given."""
        given = (self.exporter, self.trace_exporter, self.metrics_exporter)
        return tuple(
            exporter.chosen for exporter in given if isinstance(exporter, OtelExporterTable)
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that have headers, by themselves or by name: what they hold is secret."""
        headers = [value for table in self.exporters for value in table.headers.values()]
        named = tuple(name for value in headers for name in VARIABLE.findall(value))
        return (*named, *HEADER_VARIABLES) if self.exporters else ()

    def literal_headers(self) -> Iterator[tuple[str, str]]:
        """Headers whose values are in the file."""
        for table in self.exporters:
            for name, value in table.headers.items():
                if not VARIABLE.search(value):
                    yield name, value
