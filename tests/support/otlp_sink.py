"""A collector of our own, over HTTP: takes OTLP in protobuf and JSON, and refuses, hangs or breaks off where it is told to.

And the real one, Rotel, which takes OTLP over HTTP and gRPC and passes all on to ours.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, TypeVar

import h11
import rotel
import trio
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from daemon_house import PATIENCE_SECONDS

Json = dict[str, Any]
REQUESTS: dict[str, Any] = {
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}
# An answer that is not 200: a status, with a body; or none at all.
Fault = int | tuple[int, bytes] | Literal["hang", "break"]


class Got:
    """One request."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.is_json = headers["content-type"] == "application/json"
        self.request: Json = (
            json.loads(body)
            if self.is_json
            else MessageToDict(REQUESTS[path].FromString(body), use_integers_for_enums=True)
        )


class Sink:
    """What it was sent, and what it answers next."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[Got] = []
        self.taken: list[Got] = []  # those that were answered 200
        self.faults: deque[Fault] = deque()  # the next answers
        self.always: Fault | None = None  # every answer, once these are over
        self.accepts: bytes = b""  # the body of an answer that is 200
        self._changed = trio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def config(self, **more: str) -> str:
        """The table [otel] by which events are sent here."""
        exporter = f'{{ otlp-http = {{ endpoint = "{self.url}/v1/logs" }} }}'
        lines = "".join(f"{key} = {value}\n" for key, value in more.items())
        return f"[otel]\nexporter = {exporter}\n{lines}"

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what was sent."""
        with trio.fail_after(PATIENCE_SECONDS):
            while not holds():
                await self._changed.wait()

    @property
    def events(self) -> list[Json]:
        """The log events that were taken, as their attributes."""
        return [attributes_of(record) for record in self.records]

    @property
    def records(self) -> list[Json]:
        return _within(self.taken, "/v1/logs", "resourceLogs", "scopeLogs", "logRecords")

    @property
    def spans(self) -> list[Json]:
        return _within(self.taken, "/v1/traces", "resourceSpans", "scopeSpans", "spans")

    @property
    def metrics(self) -> list[Json]:
        return _within(self.taken, "/v1/metrics", "resourceMetrics", "scopeMetrics", "metrics")

    def names(self) -> list[str]:
        """The names of the events, in order, without those of streams."""
        return [name for event in self.events if (name := event["event.name"]) != STREAM]

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection."""
        peer = h11.Connection(h11.SERVER)
        with contextlib.suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
            while await self._serve_one(peer, stream):
                peer.start_next_cycle()
        await stream.aclose()

    async def _serve_one(self, peer: h11.Connection, stream: trio.SocketStream) -> bool:
        asked = await _request(peer, stream)
        if asked is None:
            return False
        got = Got(*asked)
        fault = self.faults.popleft() if self.faults else self.always
        if fault is None:
            self.taken.append(got)
        self.got.append(got)
        self._changed.set()
        self._changed = trio.Event()
        if fault == "break":
            return False
        if fault == "hang":
            await trio.sleep_forever()
        status, content = 200, self.accepts
        if isinstance(fault, tuple):
            status, content = fault
        elif isinstance(fault, int):
            status, content = fault, b"no"
        kind = got.headers["content-type"] if status == 200 else "text/plain"
        head = [("content-type", kind), ("content-length", str(len(content)))]
        for part in (
            h11.Response(status_code=status, headers=head),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ):
            await stream.send_all(peer.send(part) or b"")
        return True


async def _request(
    peer: h11.Connection, stream: trio.SocketStream
) -> tuple[str, dict[str, str], bytes] | None:
    """The path, the headers and the body of the next request of a connection; None where there is no more."""
    path, headers, body = "", dict[str, str](), b""
    while True:
        event = peer.next_event()
        if event is h11.NEED_DATA:
            peer.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            path = event.target.decode()
            headers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return path, headers, body
        else:
            return None


STREAM = "codex.sse_event"


def attributes_of(found: Json) -> Json:
    """The attributes of a record, a span, a data point or a resource, each as OTLP types it."""
    return {pair["key"]: _value(pair["value"]) for pair in found.get("attributes", ())}


def _value(value: Json) -> object:
    ((kind, inner),) = value.items()
    return int(inner) if kind == "intValue" else inner


def _within(taken: list[Got], path: str, *names: str) -> list[Json]:
    found = [got.request for got in taken if got.path == path]
    for name in names:
        found = [inner for outer in found for inner in outer.get(name, ())]
    return found


Served = TypeVar("Served", Sink, "Posts")


@contextlib.asynccontextmanager
async def _served(make: Callable[[int], Served]) -> AsyncIterator[Served]:
    """A server of its port that runs for as long as the context lasts."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        made = make(listener.socket.getsockname()[1])
        nursery.start_soon(trio.serve_listeners, made.serve, [listener])
        yield made
        nursery.cancel_scope.cancel()


class Rotel:
    """A running collector: its ports."""

    def __init__(self, http: int, grpc: int) -> None:
        self.http, self.grpc = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]


@contextlib.contextmanager
def rotel_to(sink: Sink, folder: Path) -> Iterator[Rotel]:
    """The real collector, which passes on to ours what it has read; it is ready when it says so."""
    program = Path(rotel.__file__).parent / "rotel-agent"
    http, grpc = _free_ports(2)
    command = [
        *(str(program), "start", "--pid-file", str(folder / "rotel.pid")),
        *("--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}"),
        *("--exporter", "otlp", "--otlp-exporter-endpoint", sink.url),
        *("--otlp-exporter-protocol", "http", "--otlp-exporter-compression", "none"),
        *("--batch-timeout", "10ms"),
    ]
    env = {"PATH": os.defpath, "HOME": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, text=True, cwd=folder
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "Starting Rotel" in line:
                    break
            for port in (http, grpc):
                _wait_listening(port)
            yield Rotel(http, grpc)
        finally:
            process.terminate()
            assert process.stdout is not None
            process.stdout.read()


def _wait_listening(port: int) -> None:
    """It says that it starts before it listens."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
            # The kernel refuses at once: give the processor to the other process.
            os.sched_yield()


class Posts:
    """A server that takes anything: what was posted, and the status that it answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.posts: list[Posted] = []
        self.status = 200

    async def serve(self, stream: trio.SocketStream) -> None:
        """One request of a connection."""
        peer = h11.Connection(h11.SERVER)
        asked = await _request(peer, stream)
        assert asked is not None
        _, headers, body = asked
        self.posts.append(Posted(headers, body))
        head = [("content-length", "0"), ("connection", "close")]
        answer = h11.Response(status_code=self.status, headers=head)
        await stream.send_all((peer.send(answer) or b"") + (peer.send(h11.EndOfMessage()) or b""))
        await stream.aclose()


class Posted:
    """One request."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers, self.body = headers, body


def otlp_sink() -> AbstractAsyncContextManager[Sink]:
    """A collector that runs for as long as the context lasts."""
    return _served(Sink)


def posts_to() -> AbstractAsyncContextManager[Posts]:
    """A server that takes any post for as long as the context lasts."""
    return _served(Posts)
