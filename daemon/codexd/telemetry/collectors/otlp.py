"""Items as requests of OTLP, in protobuf and in JSON. Imported only where something is sent.

Source: OpenTelemetry protocol 1.10, "OTLP/HTTP"; its JSON is that of protobuf with ids in hex and enums as numbers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from codexd.telemetry.signals.aggregation import Total, Totals
from codexd.telemetry.signals.items import Attributes, LogEvent, Span, Value
from codexd.telemetry.signals.measurements import METRICS

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

SCOPE: Final = "codexd"
_INFO: Final = 9  # SeverityNumber
_STATUS_ERROR: Final = 2
_KINDS: Final = {"internal": 1, "client": 3}
_DELTA, _CUMULATIVE = 1, 2
# The members that hold ids.
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
# Integers of attributes have 64 bits.
_INT_MAX: Final = 2**63 - 1


class Encoder:
    """Encodes for one daemon."""

    def __init__(
        self, resource: Attributes, version: str, value_characters_max: int | None = None
    ) -> None:
        """`value_characters_max`: of an attribute's text; None: any."""
        self._resource, self._version = resource, version
        self._characters_max = value_characters_max

    def logs(self, events: Sequence[LogEvent]) -> Message:
        """A request with log events."""
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
        from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

        records = []
        for event in events:
            at_ns = event.at_ms * 1_000_000
            record = LogRecord(
                time_unix_nano=at_ns,
                observed_time_unix_nano=at_ns,
                severity_number=_INFO,  # type: ignore[arg-type]
                severity_text="INFO",
                event_name=event.name,
                attributes=self._attributes({**event.attributes, "log.record.uid": event.uid}),
            )
            if event.place is not None:
                record.trace_id = bytes.fromhex(event.place.trace_id)
                record.span_id = bytes.fromhex(event.place.span_id)
                record.flags = 1
            records.append(record)
        scope = ScopeLogs(scope=self._scope(), log_records=records)
        return ExportLogsServiceRequest(
            resource_logs=[ResourceLogs(resource=self._of_resource(), scope_logs=[scope])]
        )

    def traces(self, spans: Sequence[Span]) -> Message:
        """A request with spans."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
        from opentelemetry.proto.trace.v1 import trace_pb2 as t

        encoded = []
        for span in spans:
            made = t.Span(
                trace_id=bytes.fromhex(span.place.trace_id),
                span_id=bytes.fromhex(span.place.span_id),
                name=span.name,
                kind=_KINDS[span.kind],  # type: ignore[arg-type]
                start_time_unix_nano=span.start_ms * 1_000_000,
                end_time_unix_nano=span.end_ms * 1_000_000,
                attributes=self._attributes(span.attributes),
                flags=1,
            )
            if span.parent is not None:
                made.parent_span_id = bytes.fromhex(span.parent)
            if span.error is not None:
                made.status.code = _STATUS_ERROR  # type: ignore[assignment]
                made.status.message = span.error
            encoded.append(made)
        scope = t.ScopeSpans(scope=self._scope(), spans=encoded)
        return ExportTraceServiceRequest(
            resource_spans=[t.ResourceSpans(resource=self._of_resource(), scope_spans=[scope])]
        )

    def metrics(self, totals: Totals, start_ms: int, end_ms: int, *, delta: bool) -> Message:
        """A request with what was measured between two times."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )
        from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

        by_name: dict[str, m.Metric] = {}
        for (name, attributes), total in totals.items():
            row = METRICS[name]
            if name not in by_name:
                by_name[name] = m.Metric(name=name, unit=row.unit, description=row.description)
            metric, tags = by_name[name], self._attributes(dict(attributes))
            temporality = _DELTA if delta else _CUMULATIVE
            if row.kind == "counter":
                metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
                metric.sum.is_monotonic = True
                points = metric.sum.data_points
                points.append(m.NumberDataPoint(attributes=tags, as_int=round(total.sum)))
            else:
                metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
                points = metric.histogram.data_points
                points.append(_histogram_point(tags, total, row.bounds))
            points[-1].start_time_unix_nano = start_ms * 1_000_000
            points[-1].time_unix_nano = end_ms * 1_000_000
        scope = m.ScopeMetrics(scope=self._scope(), metrics=list(by_name.values()))
        return ExportMetricsServiceRequest(
            resource_metrics=[
                m.ResourceMetrics(resource=self._of_resource(), scope_metrics=[scope])
            ]
        )

    def _scope(self) -> InstrumentationScope:
        from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

        return InstrumentationScope(name=SCOPE, version=self._version)

    def _of_resource(self) -> Resource:
        from opentelemetry.proto.resource.v1.resource_pb2 import Resource

        return Resource(attributes=self._attributes(self._resource))

    def _attributes(self, attributes: Attributes) -> list[KeyValue]:
        from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

        def of(value: Value) -> AnyValue:
            if isinstance(value, bool):
                return AnyValue(bool_value=value)
            if isinstance(value, int):
                return AnyValue(int_value=max(-_INT_MAX, min(value, _INT_MAX)))
            if isinstance(value, float):
                return AnyValue(double_value=value)
            # Half of a surrogate pair is no text that protobuf can have.
            text = value[: self._characters_max].encode(errors="replace").decode()
            return AnyValue(string_value=text)

        return [KeyValue(key=key, value=of(value)) for key, value in attributes.items()]


def _histogram_point(
    attributes: list[KeyValue], total: Total, bounds: tuple[float, ...]
) -> HistogramDataPoint:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

    return HistogramDataPoint(
        attributes=attributes,
        count=total.count,
        sum=total.sum,
        min=total.min,
        max=total.max,
        bucket_counts=total.buckets,
        explicit_bounds=bounds,
    )


def as_json(request: Message) -> bytes:
    """A request in OTLP's JSON."""
    from google.protobuf.json_format import MessageToDict

    return json.dumps(
        _with_hex_ids(MessageToDict(request, use_integers_for_enums=True)),
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(inner) for inner in value]
    if isinstance(value, Mapping):
        return {
            key: base64.b64decode(inner).hex()
            if key in _IDS and isinstance(inner, str)
            else _with_hex_ids(inner)
            for key, inner in value.items()
        }
    return value


def rejected_of_binary(signal: str, body: bytes) -> tuple[int, str]:
    """How many items a collector did not take, of those in an accepted request, and why. Raises: ValueError."""
    from google.protobuf.message import DecodeError

    try:
        answer = response_type(signal).FromString(body)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    return rejected_of(signal, answer)


def rejected_of(signal: str, answer: Any) -> tuple[int, str]:
    """The same of an answer that is decoded."""
    partial = answer.partial_success
    return getattr(partial, REJECTED[signal]), partial.error_message


REJECTED: Final = {
    "logs": "rejected_log_records",
    "traces": "rejected_spans",
    "metrics": "rejected_data_points",
}


def rejected_of_json(signal: str, body: bytes) -> tuple[int, str]:
    """The same of an answer in JSON. Raises: ValueError."""
    answer = json.loads(body or b"{}")
    partial = answer.get("partialSuccess") if isinstance(answer, dict) else None
    if not isinstance(partial, dict):
        return 0, ""
    first, *rest = REJECTED[signal].split("_")
    member = first + "".join(word.title() for word in rest)
    return int(partial.get(member) or 0), str(partial.get("errorMessage") or "")


def response_type(signal: str) -> type[Message]:
    """The type of a collector's answer."""
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

    return {
        "logs": logs.ExportLogsServiceResponse,
        "traces": traces.ExportTraceServiceResponse,
        "metrics": metrics.ExportMetricsServiceResponse,
    }[signal]
