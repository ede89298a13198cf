"""OTLP on the wire: its JSON, its headers, and what each answer of a collector means."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest

from codexd.config.otel_table import OtelTlsTable
from codexd.core.values.trace import SpanPlace
from codexd.telemetry.collectors.destination import Destination, Transport
from codexd.telemetry.collectors.open_sender import open_sender
from codexd.telemetry.collectors.otlp import Encoder, as_json
from codexd.telemetry.collectors.sender import NotTaken, Sender
from codexd.telemetry.signals.items import LogEvent, Span
from otlp_sink import Fault, Sink, attributes_of, otlp_sink
from trio_test import trio_test

PLACE = SpanPlace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
EVENT = LogEvent("n", 1_795_230_000_123, "t/1/0", {"s": "é\ud83d", "b": True, "i": 2**80}, PLACE)
ENCODER = Encoder({"service.name": "codexd"}, "9", 4)
LOGS = ENCODER.logs([EVENT])


@asynccontextmanager
async def opened(sink: Sink, **changes: object) -> AsyncIterator[Sender]:
    to = Destination(signal="logs", transport="binary", endpoint=f"{sink.url}/v1/logs")
    sender = await open_sender({}, msgspec.structs.replace(to, **changes))
    try:
        yield sender
    finally:
        await sender.aclose()


def test_ids_are_hex_and_numbers_are_as_otlps_json_has_them() -> None:
    span = Span("x", "client", PLACE, "0" * 15 + "1", 1, 2, {"f": 0.5, "long": "abcdef"}, "why")
    found = msgspec.json.decode(as_json(ENCODER.traces([span])))
    (one,) = found["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert one == {
        "traceId": PLACE.trace_id,
        "spanId": PLACE.span_id,
        "parentSpanId": "0" * 15 + "1",
        "flags": 1,
        "name": "x",
        "kind": 3,
        "startTimeUnixNano": "1000000",
        "endTimeUnixNano": "2000000",
        "attributes": [
            {"key": "f", "value": {"doubleValue": 0.5}},
            {"key": "long", "value": {"stringValue": "abcd"}},
        ],
        "status": {"message": "why", "code": 2},
    }


@pytest.mark.parametrize("transport", ["binary", "json"])
@pytest.mark.parametrize("packed", [False, True])
@trio_test
async def test_a_request_arrives_in_either_form(transport: str, packed: bool) -> None:
    headers = (("x-key", "secret"),)
    async with otlp_sink() as sink:
        changes = {"transport": transport, "gzip": packed, "headers": headers}
        async with opened(sink, **changes) as sender:
            assert await sender.send(LOGS) == (0, "")
            assert await sender.send(LOGS) == (0, "")
        (got, _) = sink.got
        assert got.headers["x-key"] == "secret"
        assert got.is_json is (transport == "json")
        record = sink.records[0]
        assert attributes_of(record) == {
            "s": "é?",
            "b": True,
            "i": 2**63 - 1,
            "log.record.uid": "t/1/",
        }
        assert record["timeUnixNano"] == record["observedTimeUnixNano"] == "1795230000123000000"
        assert (record["eventName"], record["severityNumber"]) == ("n", 9)
        assert "body" not in record
        if got.is_json:
            assert (record["traceId"], record["spanId"]) == (PLACE.trace_id, PLACE.span_id)


@pytest.mark.parametrize(
    ("fault", "refused", "poison"),
    [
        (503, False, False),
        (429, False, False),
        (401, False, False),
        (404, False, False),
        (400, True, True),
        (413, True, True),
        (500, False, True),
        (302, False, True),
        ("break", False, False),
        ("hang", False, False),
    ],
)
@trio_test
async def test_an_answer_says_whose_fault_it_is(fault: Fault, refused: bool, poison: bool) -> None:
    async with otlp_sink() as sink:
        sink.faults.append(fault)
        async with opened(sink, timeout_s=0.05 if fault == "hang" else 10.0) as sender:
            with pytest.raises(NotTaken) as not_taken:
                await sender.send(LOGS)
            assert (not_taken.value.refused, not_taken.value.may_be_poison) == (refused, poison)
            # The next request may well be taken.
            assert await sender.send(LOGS) == (0, "")


@trio_test
async def test_a_collector_may_want_only_a_part() -> None:
    json = b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"old"}}'
    async with otlp_sink() as sink:
        async with opened(sink, transport="json") as sender:
            sink.accepts = json
            assert await sender.send(LOGS) == (3, "old")
            sink.accepts = b"what?"
            assert await sender.send(LOGS) == (0, "")
        async with opened(sink) as sender:
            sink.accepts = b"\x0a\x07\x08\x03\x12\x03old"
            assert await sender.send(LOGS) == (3, "old")


@pytest.mark.parametrize("transport", ["binary", "grpc"])
@trio_test
async def test_a_collector_that_is_not_there_is_waited_for(transport: Transport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        opening = partial(Destination, signal="logs", endpoint=endpoint, headers=(("a", "b"),))
        sender = await open_sender({}, opening(transport=transport))
        try:
            with pytest.raises(NotTaken, match="it cannot be reached") as not_taken:
                await sender.send(LOGS)
        finally:
            await sender.aclose()
    assert not not_taken.value.refused
    assert not not_taken.value.may_be_poison


@trio_test
async def test_certificates_that_cannot_be_read_are_said() -> None:
    tls = OtelTlsTable(ca_certificate="/nowhere/ca.pem")
    transports: tuple[Transport, ...] = ("json", "grpc")
    for transport in transports:
        to = Destination(signal="logs", transport=transport, endpoint="https://c", tls=tls)
        with pytest.raises(NotTaken, match="its certificates cannot be read: No such file"):
            await open_sender({}, to)
