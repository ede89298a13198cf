"""OTLP over gRPC. I/O; it imports the library late, since that is heavy."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import trio

from codexd.telemetry.collectors.destination import Destination
from codexd.telemetry.collectors.otlp import rejected_of, response_type
from codexd.telemetry.collectors.sender import NotTaken

if TYPE_CHECKING:
    from google.protobuf.message import Message

# A file of certificates has some hundred kilobytes.
PEM_BYTES_MAX: Final = 4 * 1024 * 1024


def open_grpc(destination: Destination) -> GrpcSender:
    """Raises: OSError."""
    # The library's own messages go to the daemon's log, unbounded and in its own format.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc

    parts = urlsplit(destination.endpoint)
    secure = parts.scheme == "https"
    target = parts.netloc if parts.port else f"{parts.netloc}:{443 if secure else 80}"
    packing = grpc.Compression.Gzip if destination.gzip else grpc.Compression.NoCompression
    if secure:
        tls = destination.tls
        credentials = grpc.ssl_channel_credentials(
            _pem(tls.ca_certificate), _pem(tls.client_private_key), _pem(tls.client_certificate)
        )
        channel = grpc.secure_channel(target, credentials, compression=packing)
    else:
        channel = grpc.insecure_channel(target, compression=packing)
    response_type(destination.signal)  # imported here, beside the event loop
    return GrpcSender(destination, channel)


def _pem(path: str | None) -> bytes | None:
    """Raises: OSError."""
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read(PEM_BYTES_MAX)


_SERVICES: Final = {
    "logs": "logs.v1.Logs",
    "traces": "trace.v1.Trace",
    "metrics": "metrics.v1.Metrics",
}
_GRPC_REFUSED: Final = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION"})
_GRPC_WAITS: Final = frozenset(
    {
        *("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"),
        *("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "NOT_FOUND"),
        "RESOURCE_EXHAUSTED",
    }
)


class GrpcSender:
    """OTLP over gRPC, whose library has threads of its own."""

    def __init__(self, destination: Destination, channel: Any) -> None:
        self._destination, self._channel = destination, channel
        service = f"opentelemetry.proto.collector.{_SERVICES[destination.signal]}Service"
        self._export = channel.unary_unary(
            f"/{service}/Export",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=response_type(destination.signal).FromString,
        )

    async def send(self, request: Message) -> tuple[int, str]:
        """Send a request. Raises: NotTaken."""
        import grpc

        destination, ended = self._destination, trio.Event()
        token = trio.lowlevel.current_trio_token()

        def wake(_: object) -> None:
            with suppress(trio.RunFinishedError):  # The daemon has ended meanwhile.
                token.run_sync_soon(ended.set)

        call = self._export.future(
            request, timeout=destination.timeout_s, metadata=destination.headers
        )
        call.add_done_callback(wake)
        try:
            await ended.wait()
        finally:
            call.cancel()
        if call.code() is grpc.StatusCode.OK:
            return rejected_of(destination.signal, call.result())
        raise _grpc_failure(call.code().name, str(call.details() or ""))

    async def aclose(self) -> None:
        """Close its connection."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._channel.close, abandon_on_cancel=True)


def _grpc_failure(code: str, details: str) -> NotTaken:
    if code == "DEADLINE_EXCEEDED":
        return NotTaken("no answer in time")
    if code == "UNAVAILABLE":
        return NotTaken(f"it cannot be reached: {details}")
    return NotTaken(
        f"it answered gRPC {code}: {details}",
        refused=code in _GRPC_REFUSED or "larger than max" in details,
        may_be_poison=code not in _GRPC_WAITS,
    )
