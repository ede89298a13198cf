"""Threads whose records are folded as telemetry folds them, and a collector that is a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio
import trio.testing
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from builders import STARTED, begun, queued
from codexd.core.events.events import Event, encode_event
from codexd.core.events.record import Recorded, encode_members
from codexd.telemetry.collectors.destination import Destination
from codexd.telemetry.collectors.otlp import Encoder
from codexd.telemetry.collectors.sender import NotTaken, Sender
from codexd.telemetry.pipeline import Maker, Pipeline
from codexd.telemetry.signals.conversation import Conversation
from codexd.telemetry.signals.items import Item, Signal
from codexd.telemetry.signals.log_events import Described, LogEvents
from codexd.telemetry.signals.measurements import Measurements
from codexd.telemetry.signals.spans import Spans
from codexd_eventstore.consumers import Consumed
from codexd_eventstore.store import NewEvent
from otlp_sink import Json, attributes_of

NOON_MS = 1_795_230_000_000
THREAD = "01a1e5a0-0000-7000-8000-000000000001"
BEGUN: tuple[Event, ...] = (STARTED, queued(1), begun(1))
DESCRIBED = Described(app_version="9", terminal="tty")


def fold(maker: Maker, *events: Event, by: str | None = None) -> list[Item]:
    """What is made of a thread's events, one each 10 ms; the origin of all of them is `by`."""
    conversation, items = Conversation(THREAD), list[Item]()
    for seq, event in enumerate(events, start=1):
        recorded = Recorded(seq, NOON_MS + 10 * seq, event, by)
        items += maker.of(conversation, recorded)
        conversation.apply(recorded)
    return items


class Collector:
    """A sender that keeps what it is given. `answers` are the next: an error, or how many it did not want."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.tries: list[float] = []
        self.answers: list[NotTaken | int] = []
        self.hangs = False
        self.closed = 0
        self.count = 0  # of events that were taken
        self._changed = trio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds once the pipeline has taken the answer to a request."""
        while not holds():
            await self._changed.wait()
            await trio.testing.wait_all_tasks_blocked()

    async def send(self, request: Message) -> tuple[int, str]:
        self.tries.append(trio.current_time())
        self._changed.set()
        self._changed = trio.Event()
        if self.hangs:
            await trio.sleep_forever()
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, NotTaken):
            raise answer
        self.taken.append(request)
        if isinstance(request, ExportLogsServiceRequest):
            self.count += len(request.resource_logs[0].scope_logs[0].log_records)
        return answer, "not those" if answer else ""

    async def aclose(self) -> None:
        self.closed += 1

    @property
    def uids(self) -> list[str]:
        """The events that were taken, without the thread's name."""
        return [record["log.record.uid"].partition("/")[2] for record in self.events]

    @property
    def events(self) -> list[Json]:
        found = [MessageToDict(request) for request in self.taken]
        records = [
            record
            for request in found
            for resource in request["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]
        return [attributes_of(record) for record in records]


def pipeline_to(
    collector: Collector, store: Consumed, signal: Signal = "logs", *, since_ms: int = 0
) -> Pipeline:
    """A pipeline of one signal."""
    makers: dict[Signal, Maker] = {
        "logs": LogEvents(DESCRIBED),
        "traces": Spans({}),
        "metrics": Measurements("9"),
    }

    async def opened(_: Destination) -> Sender:
        return collector

    return Pipeline(
        store,
        Destination(signal=signal, transport="binary", endpoint="http://c", delay_s=0),
        Encoder({"service.name": "codexd"}, "9"),
        lambda: makers[signal],
        since_ms=since_ms,
        delta=False,
        open_sender=opened,
    )


async def put(
    store: Consumed, after: int, events: Sequence[Event], *, thread: str = THREAD
) -> None:
    """Append events, one by one; the next is at 10 ms more than the one before."""
    for version, event in enumerate(events, start=after):
        new = NewEvent(event.type, encode_event(event), event.v, encode_members(None, None))
        at_us = (NOON_MS + 10 * (version + 1)) * 1000
        await store.append(thread, [new], expected_version=version, at_us=at_us, durable=False)
