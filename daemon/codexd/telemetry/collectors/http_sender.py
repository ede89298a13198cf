"""OTLP over HTTP, in protobuf or JSON. I/O; it imports httpx late, since that is heavy."""

from __future__ import annotations

import gzip
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from codexd.models.http.messages import reason_of
from codexd.telemetry.collectors.destination import Destination
from codexd.telemetry.collectors.otlp import as_json, rejected_of_binary, rejected_of_json
from codexd.telemetry.collectors.sender import NotTaken

if TYPE_CHECKING:
    import httpx
    from google.protobuf.message import Message

# Of a collector's answer: a sentence.
ANSWER_BYTES_MAX: Final = 64 * 1024
# A collector that asks for a longer wait is asked again after this.
WAIT_SECONDS_MAX: Final = 300.0
# Closing a connection is local work. The bound is for a TLS peer that does not take our farewell.
CLOSE_SECONDS: Final = 1.0

# Statuses that say nothing of the request: the collector, its address or its key are at fault, and may be mended.
_WAITS: Final = frozenset({401, 403, 404, 405, 407, 408, 421, 425, 429, 502, 503, 504})
_REFUSED: Final = frozenset({400, 411, 413, 414, 415, 422, 431})


class HttpSender:
    """OTLP over HTTP."""

    def __init__(
        self, destination: Destination, proxy: str | None, verify: ssl.SSLContext | None
    ) -> None:
        import httpx

        self._destination = destination
        self._is_json = destination.transport == "json"
        kind = "application/json" if self._is_json else "application/x-protobuf"
        headers = {"content-type": kind, "user-agent": "codexd-otlp", **dict(destination.headers)}
        if destination.gzip:
            headers["content-encoding"] = "gzip"
        self._headers = headers
        # The transport alone, as for models: a client would add cookies and redirects, and log each request.
        self._transport = httpx.AsyncHTTPTransport(
            verify=False if verify is None else verify,
            proxy=proxy,
            limits=httpx.Limits(max_connections=1),
        )

    async def send(self, request: Message) -> tuple[int, str]:
        """Send a request. Raises: NotTaken."""
        import httpx

        destination = self._destination
        body = await trio.to_thread.run_sync(self._encoded, request)
        try:
            with trio.fail_after(destination.timeout_s):
                return await self._post(body)
        except trio.TooSlowError as error:
            raise NotTaken(f"no answer within {destination.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotTaken(f"it cannot be reached: {reason_of(error)}") from error

    async def _post(self, body: bytes) -> tuple[int, str]:
        """Raises: NotTaken, httpx.HTTPError, httpx.InvalidURL."""
        import httpx

        request = httpx.Request(
            "POST", self._destination.endpoint, content=body, headers=self._headers
        )
        response = await self._transport.handle_async_request(request)
        answer = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX:
                    break
        finally:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await response.aclose()
        return self._understood(response, bytes(answer[:ANSWER_BYTES_MAX]))

    def _encoded(self, request: Message) -> bytes:
        body = as_json(request) if self._is_json else request.SerializeToString()
        return gzip.compress(body, 1) if self._destination.gzip else body

    def _understood(self, response: httpx.Response, answer: bytes) -> tuple[int, str]:
        status = response.status_code
        if 200 <= status < 300:
            try:
                is_json = "json" in response.headers.get("content-type", "")
                read = rejected_of_json if is_json else rejected_of_binary
                return read(self._destination.signal, answer)
            except ValueError:
                return 0, ""  # It took the request, whatever it says.
        raise NotTaken(
            f"it answered HTTP {status}",
            refused=status in _REFUSED,
            may_be_poison=status not in _WAITS,
            after_s=_retry_after(response.headers.get("retry-after", "")),
        )

    async def aclose(self) -> None:
        """Close its connection."""
        await self._transport.aclose()


def _retry_after(text: str) -> float | None:
    """The wait that a collector asks for; None for a date or nothing."""
    return min(float(text), WAIT_SECONDS_MAX) if text.isdecimal() and len(text) < 9 else None


def read_certificates(destination: Destination) -> ssl.SSLContext | None:
    """Raises: OSError."""
    if urlsplit(destination.endpoint).scheme != "https":
        return None
    tls = destination.tls
    context = ssl.create_default_context(cafile=tls.ca_certificate)
    if tls.client_certificate is not None:
        context.load_cert_chain(tls.client_certificate, tls.client_private_key)
    return context
