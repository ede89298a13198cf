"""Requests to a provider over HTTP, whose answers are read as model events. I/O; it imports httpx late: it is heavy."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, TypeVar

import trio

from codexd.core.values.model_output import ModelEvent, ModelItemDone, ResponseStarted
from codexd.models import errors, sse
from codexd.models.client import (
    ModelClient,
    ModelError,
    ModelRequest,
    ModelStream,
    RetryBudget,
)
from codexd.models.complaints import is_whole_response
from codexd.models.http.answer import Answer, Outgoing, Sender
from codexd.models.http.apis import Prepared, Reader, prepare
from codexd.models.http.authorization import Authorization, KeyOfVariable
from codexd.models.http.connection import ConnectFailed, ConnectionBroken
from codexd.models.http.library import failures_as_ours
from codexd.models.http.messages import beginning_of, inflater, outgoing, reason_of
from codexd.models.http.proxies import proxy_for, shown
from codexd.models.http.transport import named_certificates, open_sender, open_transport
from codexd.models.provider import Provider, RequestHeaders
from codexd.models.rate_limits import limits_in_headers

# Of an error's body: the important part is at its beginning.
ERROR_BODY_BYTES_MAX: Final = 64 * 1024
ERROR_BODY_SECONDS: Final = 5.0
# The wait for the end of an answer that is whole: some servers keep the connection open after it.
LAST_WORDS_SECONDS: Final = 10.0
# After a complete response its last bytes are worth a short wait: the connection can be used again.
DRAIN_SECONDS: Final = 0.1
# The wait for bytes that are here: of an encrypted record, the last part may still be missing.
AT_HAND_SECONDS: Final = 0.002

# A longer request is encoded in a thread, and more of an answer than this is read in one.
STEP_BYTES_MAX: Final = 256 * 1024
# So is the rest after so much text: items are made from it when they are whole. No honest answer is so long.
TEXT_BYTES_MAX: Final = 1024 * 1024

UNAUTHORIZED: Final = 401  # RFC 9110 15.5.2
PROXY_AUTHENTICATION: Final = 407  # RFC 9110 15.5.8: the answer of a proxy, not of the provider

_REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "cf-ray")
_OF_STREAMS: Final = ("accept", "content-type")

T = TypeVar("T")


def warm_up() -> None:
    """Import what the first request needs: some 100 ms, so that it may be done ahead, in a worker thread."""
    import httpx  # noqa: F401

    import codexd.models.http.direct  # noqa: F401


class HttpModelClient:
    """A provider that speaks one of our APIs over HTTP. Keeps its connections until `aclose`."""

    def __init__(self, provider: Provider, env: Mapping[str, str]) -> None:
        self._provider = provider
        self._env = env
        self._sender: Sender | None = None
        self._key = KeyOfVariable(provider, env)

    @property
    def budget(self) -> RetryBudget:
        """How often to try again."""
        return self._provider.budget

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[ModelStream]:
        """Send the request; entering the context waits for the answer to begin.

        Raises:
            ModelError: on entering, `at="request"`.
        """
        return _Exchange(self, request, self._key)

    def paid_by(self, authorization: Authorization) -> ModelClient:
        """The same client, whose requests are paid with this."""
        return _Paid(self, authorization)

    async def read(self, url: str, authorization: Authorization | None = None) -> bytes:
        """The beginning of the answer at an address of this provider. Raises: ModelError."""
        import httpx

        headers = await (authorization or self._key).headers()
        pairs = [(name, value) for name, value in headers.pairs if name not in _OF_STREAMS]
        # A transport and a connection for one answer: such requests are few, and no stream goes there.
        request = httpx.Request("GET", url, headers=[*pairs, ("connection", "close")])
        try:
            with failures_as_ours():
                async with await open_transport(self._provider.base_url, self._env) as transport:
                    response = await transport.handle_async_request(request)
                    body = await beginning_of(response)
        except ConnectFailed as error:
            raise self._not_connected(error) from error
        except ConnectionBroken as error:
            raise errors.not_answered(self._provider, reason_of(error)) from error
        if not 200 <= response.status_code < 300:
            raise errors.refused(
                self._provider,
                response.status_code,
                dict(response.headers.items()),
                body,
                now=time.time(),
                secrets=headers.secrets,
            )
        return body

    async def aclose(self) -> None:
        """Close the kept connections."""
        if self._sender is not None:
            sender, self._sender = self._sender, None
            await sender.aclose()

    def _not_connected(self, error: BaseException) -> ModelError:
        proxy, reason = proxy_for(self._provider.base_url, self._env), reason_of(error)
        way = f"through the proxy {shown(proxy)}: " if proxy else ""
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            named = named_certificates(self._env)
            reason += (
                f"; trusted are those of {named}" if named else "; SSL_CERT_FILE can name others"
            )
        return errors.not_connected(self._provider, way + reason)

    async def _senders(self) -> Sender:
        """The sender of all requests, made for the first. Raises: ModelError."""
        if self._sender is None:
            opened = await open_sender(self._provider.base_url, self._env)
            self._sender = self._sender or opened  # Another request may have been faster.
        return self._sender


class _Paid:
    """A client whose requests are paid with something of their own."""

    def __init__(self, client: HttpModelClient, authorization: Authorization) -> None:
        self._client, self._authorization = client, authorization

    @property
    def budget(self) -> RetryBudget:
        return self._client.budget

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[ModelStream]:
        return _Exchange(self._client, request, self._authorization)


class _Exchange:
    """A request and its response: the context of `stream`, and the stream within."""

    def __init__(
        self, client: HttpModelClient, request: ModelRequest, authorization: Authorization
    ) -> None:
        self._client, self._authorization = client, authorization
        self._provider = client._provider
        self._idle_seconds = self._provider.stream_idle_timeout_ms / 1000
        self._request = request
        self._notes = request.notes
        self._frames: sse.EventStreamReader | sse.WholeBody = sse.EventStreamReader()
        self._inflate: zlib._Decompress | None = None
        self._beginning = b""  # of the body, where it was looked at before it is read

    async def __aenter__(self) -> ModelStream:
        headers = await self._authorization.headers()
        size = sum(map(len, self._request.input))
        prepared = await _beside(lambda: prepare(self._provider, self._request), size)
        del self._request  # a long history is not held while the answer streams
        self._new_reader = prepared.reader
        if self._notes is not None:
            self._notes.path = f"/{prepared.path}"
        await self._begin(prepared, headers)
        if self._answer.status == UNAUTHORIZED and await self._renewed(headers):
            headers = await self._authorization.headers()
            await self._begin(prepared, headers)
        try:
            self._opening: ResponseStarted | None = await self._accepted(headers)
        except BaseException:
            await self._answer.close()
            raise
        return self

    async def _begin(self, prepared: Prepared, headers: RequestHeaders) -> None:
        """Send the request, and take the head of its response. Raises: ModelError."""
        request = outgoing(self._provider, headers, prepared.path, prepared.body, self._notes)
        self._answer = await self._sent(await self._client._senders(), request)
        self._connection = self._answer.connection

    async def _renewed(self, refused: RequestHeaders) -> bool:
        """Whether the request is worth one more attempt, with other credentials; then this response is closed.

        Raises:
            ModelError: the login has ended.
        """
        renewed = False
        try:
            renewed = await self._authorization.renewed(refused)
        except BaseException:
            await self._answer.close()
            raise
        if renewed:
            await self._answer.close()
        return renewed

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._reader.completed:
                await self._drain()
        finally:
            await self._answer.close()

    async def receive(self) -> list[ModelEvent]:
        """The events of one network read; an empty list after the last. Raises: ModelError."""
        if self._opening is not None:
            opening, self._opening = self._opening, None
            return [opening]
        reader = self._reader
        while not reader.completed:
            if reader.error is not None:
                raise reader.error
            frames = await self._next_frames()
            if self._notes is not None:
                self._notes.came(frames)
            if events := await self._events_of(frames):
                return await self._with_end(events)
        return []

    async def _with_end(self, events: list[ModelEvent]) -> list[ModelEvent]:
        """The events, with those of the next read where it is here and a whole item ends the events.

        The end of a response comes right after its last item. Together they are one decision and one append.
        """
        is_more_here = isinstance(events[-1], ModelItemDone) and self._connection.is_readable()
        if not is_more_here or not self._connection.in_body or self._beginning or self._inflate:
            return events
        with trio.move_on_after(AT_HAND_SECONDS):
            body = await self._connection.take_body()
            if not body.endswith(b"\n\n") or self._frames.held_bytes:
                self._beginning = body  # the next call reads it, and waits for what is missing
                return events
            frames = self._frames.feed(body)
            if self._notes is not None:
                self._notes.came(frames)
            return [*events, *self._reader.feed(frames)]
        return events

    async def _events_of(self, frames: list[sse.ServerSentEvent]) -> list[ModelEvent]:
        """The model events of some events of the stream, or of its end."""
        reader = self._reader
        size = reader.text_bytes if reader.text_bytes > TEXT_BYTES_MAX else 0
        size += sum([len(frame.data) for frame in frames])
        if not frames and self._frames.stray and not reader.answered:
            raise errors.said_instead(self._frames.stray, self._secrets)
        return await _beside(lambda: reader.feed(frames) if frames else reader.end(), size)

    async def _sent(self, sender: Sender, request: Outgoing) -> Answer:
        """The response, once its head is here. Raises: ModelError."""
        try:
            with trio.CancelScope(deadline=trio.current_time() + self._idle_seconds):
                return await sender.send(request)
        except ConnectFailed as error:
            raise self._client._not_connected(error) from error
        except ConnectionBroken as error:
            raise errors.not_answered(self._provider, reason_of(error)) from error
        raise errors.not_answered(self._provider, f"nothing came for {self._idle_seconds:g} s")

    async def _accepted(self, headers: RequestHeaders) -> ResponseStarted:
        """The content of a good response's head. Raises: ModelError, for any other response."""
        status, answered = self._answer.status, self._answer.headers
        if self._notes is not None:
            self._notes.answered(status, answered)
        if status == PROXY_AUTHENTICATION:
            raise self._client._not_connected(
                OSError("HTTP 407, a name and a password are expected")
            )
        if not 200 <= status < 300:
            raise errors.refused(
                self._provider,
                status,
                answered,
                await self._body(),
                now=time.time(),
                secrets=headers.secrets,
                advice=headers.advice,
            )
        self._inflate = inflater(self._provider, answered.get("content-encoding", ""))
        content_type = answered.get("content-type", "")
        if content_type.startswith(("text/html", "application/json")):
            self._beginning = await self._body(sse.FIELD_BYTES_MAX, self._idle_seconds)
            if not sse.begins_a_stream(self._beginning):
                if self._provider.wire_api != "chat" or content_type.startswith("text/html"):
                    self._beginning = body = await self._body()
                    if not is_whole_response(body):
                        raise errors.not_a_stream(
                            self._provider, content_type, body, headers.secrets
                        )
                self._frames = sse.WholeBody()  # its answer has the same members, whole
        limits = limits_in_headers(answered.items())
        request_id = next((answered[n] for n in _REQUEST_ID_HEADERS if n in answered), None)
        self._secrets = headers.secrets
        self._reader: Reader = self._new_reader(request_id, limits, headers.secrets)
        return ResponseStarted(request_id, limits)

    async def _body(
        self, size: int = ERROR_BODY_BYTES_MAX, seconds: float = ERROR_BODY_SECONDS
    ) -> bytes:
        """The beginning of a body, at least so many bytes if they come soon."""
        body = bytearray()
        with trio.move_on_after(seconds), suppress(ConnectionBroken):
            while len(body.lstrip()) < size and (chunk := await self._read()):
                body += chunk
        return bytes(body)

    async def _next_frames(self) -> list[sse.ServerSentEvent]:
        """The events that the next read completes; none when the stream has ended."""
        seconds = self._idle_seconds
        if self._reader.answered:
            seconds = min(seconds, LAST_WORDS_SECONDS)
        # A bare scope: `fail_after` costs as much again, for each delta that comes singly.
        with trio.CancelScope(deadline=trio.current_time() + seconds):
            try:
                # Comments that only keep a connection open do not count as an answer.
                while chunk := await self._read():
                    size = self._frames.held_bytes if b"\n" in chunk else 0
                    if frames := await _beside(lambda: self._frames.feed(chunk), size):
                        return frames
            except ConnectionBroken as error:
                raise errors.disconnected(reason_of(error)) from error
            except sse.InvalidEventStream as error:
                raise errors.too_large(str(error)) from error
            return self._frames.end()
        if self._reader.answered:
            return []
        raise errors.silent(self._provider.stream_idle_timeout_ms)

    async def _read(self) -> bytes:
        """The next bytes of the body, unpacked; empty at the end. Raises: ConnectionBroken, ModelError."""
        if self._inflate is None:
            return await self._read_packed()
        while chunk := self._inflate.unconsumed_tail or await self._read_packed():
            try:
                if plain := self._inflate.decompress(chunk, STEP_BYTES_MAX):
                    return plain
            except zlib.error as error:
                raise errors.unreadable(f"it cannot be unpacked: {error}") from error
        return b""

    async def _read_packed(self) -> bytes:
        """The bytes of the next network read; empty at the end. Raises: ConnectionBroken."""
        if self._beginning:
            beginning, self._beginning = self._beginning, b""
            return beginning
        if self._connection.in_body and (body := await self._connection.take_body()):
            return body
        return await self._answer.read()

    async def _drain(self) -> None:
        """Read what is left after a complete response, so that its connection can be used again."""
        with trio.move_on_after(DRAIN_SECONDS), suppress(ConnectionBroken):
            while await self._read_packed():
                pass


async def _beside(work: Callable[[], T], size: int) -> T:
    """Do the work; in a worker thread where it is on so many bytes that it would hold the event loop."""
    return work() if size <= STEP_BYTES_MAX else await trio.to_thread.run_sync(work)
